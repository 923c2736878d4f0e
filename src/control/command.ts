import { z } from 'zod'

/** What a switch can stop. `consumer` is read in old logs and refused in new orders: nothing obeys it yet. */
export const switchKinds = [
  'session',
  'tool',
  'read-only',
  'egress',
  'tenant',
  'limits',
  'consumer',
  'token',
  'grant',
  'catalog',
  'approval',
] as const

export type SwitchKind = (typeof switchKinds)[number]

/** Who ordered it: a person with a name, or a rule of the detector with its exact version. */
export type IssuedBy =
  | { readonly kind: 'operator'; readonly name: string }
  | { readonly kind: 'detector'; readonly rule: string; readonly version: number; readonly digest: string }

/** A signed order, with an expiry. Engaging and releasing are both orders; the fold of all orders is what is forbidden now. */
export type Command = Engage | Release

export interface Engage {
  readonly action: 'engage'
  /** Identifies the switch for its whole life. */
  readonly id: string
  /** Position in the command log; an older or repeated one is ignored. */
  readonly seq: number
  readonly kind: SwitchKind
  /** Session key, tool name, domain, tenant, jti, scope; `all` where the kind allows. */
  readonly target: string
  /** Narrows the order to one tenant where the kind is not itself a tenant. */
  readonly tenant?: string
  readonly reason: string
  readonly ttlMs: number
  /** When it was ordered, milliseconds since the epoch. */
  readonly atMs: number
  readonly issuedBy: IssuedBy
  readonly approver?: string
  /** Alert that led to it. */
  readonly alert?: string
  /** For `limits`: the new ceilings, e.g. `{ rpm: 10 }`. */
  readonly set?: Readonly<Record<string, number>>
}

export interface Release {
  readonly action: 'release'
  readonly id: string
  readonly seq: number
  readonly reason: string
  readonly atMs: number
  readonly issuedBy: IssuedBy
}

const text = z.string().min(1).max(512)

const IssuedBy: z.ZodType<IssuedBy> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('operator'), name: text }),
  z.strictObject({ kind: z.literal('detector'), rule: text, version: z.int().min(1), digest: text }),
])

/** The schema of a command, as read back from the command log. */
export const Command: z.ZodType<Command> = z.discriminatedUnion('action', [
  z.strictObject({
    action: z.literal('engage'),
    id: text,
    seq: z.int().min(0),
    kind: z.enum(switchKinds),
    target: text,
    tenant: text.exactOptional(),
    reason: text,
    ttlMs: z.int().min(1),
    atMs: z.int().min(0),
    issuedBy: IssuedBy,
    approver: text.exactOptional(),
    alert: text.exactOptional(),
    set: z.record(text, z.number()).exactOptional(),
  }),
  z.strictObject({
    action: z.literal('release'),
    id: text,
    seq: z.int().min(0),
    reason: text,
    atMs: z.int().min(0),
    issuedBy: IssuedBy,
  }),
])
