import { z } from 'zod'
import { isJsonObject, type JsonObject } from '../ports/json.ts'
import { ToolRefusal, type ToolContext, type ToolResult } from '../ports/tool.ts'
import { defineTool } from './define.ts'
import { idemKey, ticket } from './fields.ts'
import { codeOf, objectOf, promised } from './reply.ts'

interface Args {
  readonly segment: 'vip' | 'trial' | 'active' | 'dormant' | 'churned'
  readonly set: {
    readonly status?: 'active' | 'paused' | 'archived'
    readonly tier?: 'free' | 'standard' | 'premium'
    readonly marketingOptIn?: boolean
  }
  readonly count: number
  readonly ticket?: string
  readonly idemKey?: string
}

const Args: z.ZodType<Args> = z.strictObject({
  segment: z.enum(['vip', 'trial', 'active', 'dormant', 'churned']).describe('Contacts to change: this whole segment.'),
  set: z
    .strictObject({
      status: z.enum(['active', 'paused', 'archived']).exactOptional(),
      tier: z.enum(['free', 'standard', 'premium']).exactOptional(),
      marketingOptIn: z.boolean().exactOptional(),
    })
    .refine((set) => Object.keys(set).length > 0, 'must name at least one field to change')
    .describe('New values, at least one.'),
  count: z.int().min(1).max(1_000_000).describe('Most contacts you expect to change. If more would, none do.'),
  ticket: ticket
    .exactOptional()
    .describe('Id of an approved change ticket. Needed when more than 1000 contacts change.'),
  idemKey: idemKey.exactOptional(),
})

const Result = z.strictObject({
  segment: z.string(),
  updated: z.int().min(0).describe('Contacts that changed.'),
})

const Preview = z.object({ count: z.int().min(0) })

/** Changes a whole segment of contacts at once, never more of them than the caller said. */
export const crmBulkUpdate = defineTool<Args>({
  name: 'crm.bulk_update',
  title: 'Bulk update contacts',
  description:
    'Sets fields of every contact in a segment. All change or none: if more than `count` would change, the call is refused. ' +
    'More than 1000 contacts need an approved change ticket.',
  args: Args,
  result: Result,
  effect: 'write',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  costUsd: 0.01,
  sinks: ['ticket'],
  visibleWith: ['crm.write'],
  scopes: () => ['crm.write'],
  preview,
  invoke,
  examples: [
    {
      title: 'Upgrade the very important',
      args: { segment: 'vip', set: { tier: 'premium' }, count: 500, idemKey: '0d9e8f7a-6b5c-4d3e-8f1a-0b9c8d7e6f5a' },
      expect: 'ok',
    },
    {
      title: 'A claim smaller than the truth changes nothing',
      args: {
        segment: 'trial',
        set: { status: 'archived' },
        count: 3,
        idemKey: '7c6b5a49-3827-4165-8a4b-3c2d1e0f9a8b',
      },
      expect: 'invalid_arguments',
    },
    {
      title: 'A field nobody may set in bulk',
      args: { segment: 'vip', set: { tier: 'free', email: 'x' }, count: 10 },
      expect: 'invalid_arguments',
    },
    { title: 'Nothing to set', args: { segment: 'vip', set: {}, count: 10 }, expect: 'invalid_arguments' },
  ],
})

/** What the update would touch, so that policy judges the larger of the claim and the truth. */
async function preview({ segment, set, count }: Args, { service }: ToolContext): Promise<JsonObject> {
  const values = Object.fromEntries(Object.entries(set).map(([field, value]) => [field, String(value)]))
  const reply = await service({
    service: 'crm',
    method: 'GET',
    path: '/contacts/preview',
    query: { segment, ...values },
  })
  return { count: Math.max(count, promised(Preview, objectOf(reply)).count) }
}

async function invoke({ segment, set, count }: Args, { service }: ToolContext): Promise<ToolResult> {
  const reply = await service({ service: 'crm', method: 'POST', path: '/contacts/bulk', body: { segment, set, count } })
  if (codeOf(reply) === 'count_exceeded') throw tooMany(matchedBy(reply.body))
  const done = promised(Result, objectOf(reply))
  const text = `${done.updated} contacts of segment ${segment} changed.`
  return { structured: done, content: [{ type: 'text', text }], rows: done.updated }
}

function matchedBy(body: unknown): number | undefined {
  const error = isJsonObject(body) ? body['error'] : undefined
  const matched = isJsonObject(error) ? error['matched'] : undefined
  return typeof matched === 'number' ? matched : undefined
}

function tooMany(matched: number | undefined): ToolRefusal {
  const found = matched === undefined ? 'More contacts' : `${matched} contacts`
  return new ToolRefusal(
    'invalid_arguments',
    `${found} would change, more than \`count\`. Nothing was changed.`,
    'count',
  )
}
