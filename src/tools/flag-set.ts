import { z } from 'zod'
import type { ToolContext, ToolResult } from '../ports/tool.ts'
import { defineTool } from './define.ts'
import { idemKey, ticket } from './fields.ts'
import { objectOf, promised } from './reply.ts'

interface Args {
  readonly name: string
  readonly env: 'dev' | 'staging' | 'prod'
  readonly rolloutPct: number
  readonly ticket?: string
  readonly idemKey?: string
}

const Args: z.ZodType<Args> = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be letters, digits, dot, dash or underscore, at most 64')
    .describe('Name of the flag, e.g. checkout_v2. A new name makes a new flag.'),
  env: z.enum(['dev', 'staging', 'prod']).describe('Environment to change.'),
  rolloutPct: z.number().min(0).max(100).describe('Percentage of traffic that sees the feature, 0 to 100.'),
  ticket: ticket.exactOptional().describe('Id of an approved change ticket. Needed above 10 % in prod.'),
  idemKey: idemKey.exactOptional(),
})

const Result = z.strictObject({
  name: z.string(),
  env: z.string(),
  rolloutPct: z.number(),
  previousPct: z.number().describe('What it was before; 0 for a new flag.'),
  created: z.boolean(),
  updatedAt: z.string(),
})

/** Sets how much traffic sees a feature in one environment. */
export const flagSet = defineTool<Args>({
  name: 'flag.set',
  title: 'Set feature flag',
  description:
    'Sets the rollout percentage of a feature flag in one environment and tells what it was. ' +
    'In prod, more than 10 % needs an approved change ticket.',
  args: Args,
  result: Result,
  effect: 'write',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  costUsd: 0.001,
  sinks: ['name', 'ticket'],
  visibleWith: ['flags.write:dev', 'flags.write:staging', 'flags.write:prod'],
  scopes: ({ env }) => [`flags.write:${env}`],
  invoke,
  examples: [
    {
      title: 'A careful start in staging',
      args: { name: 'checkout_v2', env: 'staging', rolloutPct: 10, idemKey: '6f1c2a34-58d1-4c8e-9f0b-2a7d5e3c1b90' },
      expect: 'ok',
    },
    {
      title: 'Ten percent in prod needs no ticket',
      args: { name: 'new-search', env: 'prod', rolloutPct: 10, idemKey: 'b3a9d7c2-1e45-4f6a-8c3d-90e1f2a3b4c5' },
      expect: 'ok',
    },
    {
      title: 'More than everyone',
      args: { name: 'checkout_v2', env: 'dev', rolloutPct: 101 },
      expect: 'invalid_arguments',
    },
    {
      title: 'A field the tool does not have',
      args: { name: 'checkout_v2', env: 'dev', rolloutPct: 5, owner: 'root' },
      expect: 'invalid_arguments',
    },
  ],
})

async function invoke({ name, env, rolloutPct }: Args, { service }: ToolContext): Promise<ToolResult> {
  const path = `/flags/${encodeURIComponent(name)}/${env}`
  const reply = await service({ service: 'flags', method: 'PUT', path, body: { rolloutPct } })
  const set = promised(Result, objectOf(reply))
  const text = `Flag ${name} is at ${set.rolloutPct} % in ${env}; it was at ${set.previousPct} %.`
  return { structured: set, content: [{ type: 'text', text }] }
}
