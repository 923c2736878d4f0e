import { z } from 'zod'
import { Period, Rate } from './period.ts'

/** How far a response may go. */
export const modes = ['off', 'shadow', 'ask', 'enforce'] as const
export type Mode = (typeof modes)[number]

/** What a rule may ask to be done. */
export const actions = [
  'kill_session',
  'pause_session',
  'quarantine_tool',
  'block_egress_domain',
  'read_only',
  'lower_rate',
  'pause_consumer',
  'revoke_token',
  'revoke_grant',
  'require_approval',
  'freeze_catalog',
] as const
export type Action = (typeof actions)[number]

/** How often a response may be enforced; beyond it the mode falls to `ask`. */
export interface Limits {
  readonly per_tenant?: Rate
  readonly global?: Rate
  /** Of the sessions active in the last hour, how large a part may be held at once; always at least one session. */
  readonly max_share_of_active_sessions?: number
}

/** The second step, when the first keeps being needed. */
export interface Escalation {
  readonly after: number
  readonly within: number
  readonly to: Action
  readonly mode: Mode
  readonly approver?: string
  readonly approve_within?: number
  readonly on_timeout?: 'skip' | 'enforce'
  readonly ttl?: number
}

/** One entry of a rule's `response`. Periods in milliseconds. */
export interface Reaction {
  readonly action: Action
  /** Field whose value is acted on. */
  readonly target: string
  readonly scope?: 'tenant'
  /** The furthest stage it may ever reach. */
  readonly mode: Mode
  /** An expression; without it, always. */
  readonly when?: string
  readonly ttl?: number
  readonly undo?: 'auto' | 'manual'
  readonly limits?: Limits
  readonly cooldown?: number
  /** Values never acted on; `%name%` stands for a configured list. */
  readonly never?: readonly string[]
  readonly approver?: string
  readonly approve_within?: number
  readonly on_timeout?: 'skip' | 'enforce'
  readonly set?: Readonly<Record<string, number>>
  readonly escalate?: Escalation
}

const word = z.string().min(1).max(128)

const approval = {
  approver: word.exactOptional(),
  approve_within: Period.exactOptional(),
  on_timeout: z.enum(['skip', 'enforce']).exactOptional(),
  ttl: Period.exactOptional(),
}

const Limits: z.ZodType<Limits> = z.strictObject({
  per_tenant: Rate.exactOptional(),
  global: Rate.exactOptional(),
  max_share_of_active_sessions: z.number().gt(0).max(1).exactOptional(),
})

const Escalation: z.ZodType<Escalation> = z.strictObject({
  after: z.int().min(1).max(100),
  within: Period,
  to: z.enum(actions),
  mode: z.enum(modes),
  ...approval,
})

/** The schema of one entry of `response`. */
export const Reaction: z.ZodType<Reaction> = z.strictObject({
  action: z.enum(actions),
  target: word,
  scope: z.literal('tenant').exactOptional(),
  mode: z.enum(modes),
  when: z.string().max(4_096).exactOptional(),
  undo: z.enum(['auto', 'manual']).exactOptional(),
  limits: Limits.exactOptional(),
  cooldown: Period.exactOptional(),
  never: z.array(word).max(100).exactOptional(),
  set: z.record(word, z.number()).exactOptional(),
  escalate: Escalation.exactOptional(),
  ...approval,
})
