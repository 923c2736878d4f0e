import { z } from 'zod'
import type { Json, JsonObject } from '../ports/json.ts'
import type { IssuedBy } from './command.ts'
import { OrderRequest } from './order.ts'

/** Rights for a while, over what a credential carries. */
export interface ElevationSubject {
  readonly kind: 'elevation'
  readonly scopes: readonly string[]
  readonly ticket?: string
}

/** One call, exactly as it was made. */
export interface CallSubject {
  readonly kind: 'call'
  readonly tool: string
  /** Keyed digest of everything the approval is for: who, tool, arguments, policy. */
  readonly binding: string
  /** Digest of the policy that asked for a person. */
  readonly policy: string
  /** The arguments as they were judged, with personal data and secrets masked. Never the agent's own account of them. */
  readonly args: JsonObject
  /** Rules and switches that asked for a person. */
  readonly because: readonly string[]
}

/** A kill switch that a detection asks for. */
export interface OrderSubject {
  readonly kind: 'order'
  readonly order: OrderRequest
  /** The rule that asks. */
  readonly by: Extract<IssuedBy, { readonly kind: 'detector' }>
  readonly alert: string
  /** The rule wants it done when nobody decides in time. */
  readonly unanswered: 'skip' | 'enforce'
}

export type Subject = ElevationSubject | CallSubject | OrderSubject

/** Where a request stands. Only `granted` gives anything; whatever is not `pending` or `granted` is over for good. */
export const states = ['pending', 'deciding', 'granted', 'denied', 'spent', 'expired'] as const
export type State = (typeof states)[number]

/** Something that a person must decide, and what became of it. */
export interface GrantRequest {
  readonly id: string
  readonly tenant: string
  /** Who it is for: the one who acts. */
  readonly principal: string
  /** On whose behalf it acts, where a token says so. */
  readonly onBehalfOf?: string
  /** The call that asked, where one did. */
  readonly session?: string
  readonly traceId?: string
  readonly what: Subject
  readonly reason: string
  readonly requestedBy: string
  /** Only this person may approve. */
  readonly approver?: string
  readonly state: State
  /** Milliseconds since the epoch. */
  readonly askedMs: number
  /** Undecided, it is over then. */
  readonly pendingUntilMs: number
  /** How long it holds once approved. */
  readonly ttlMs: number
  readonly decidedBy?: string
  readonly decidedMs?: number
  readonly note?: string
  /** Approved, it is over then. */
  readonly endsMs?: number
}

/** What a person says of a request. */
export interface Decision {
  readonly by: string
  readonly note?: string
  /** Less than was asked for; never more. */
  readonly ttlMs?: number
}

/** Why a request, an approval or a denial was not taken, in a sentence for whoever gave it. Nothing changed. */
export class GrantRefused extends Error {
  readonly kind: 'unknown' | 'refused' | 'full'
  constructor(kind: GrantRefused['kind'], message: string) {
    super(message)
    this.name = 'GrantRefused'
    this.kind = kind
  }
}

const text = z.string().min(1).max(512)
const time = z.int().min(0)
const json: z.ZodType<Json> = z.json()

const Subject: z.ZodType<Subject> = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('elevation'),
    scopes: z.array(text).min(1).max(16),
    ticket: text.exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('call'),
    tool: text,
    binding: text,
    policy: text,
    args: z.record(z.string(), json),
    because: z.array(text).max(256),
  }),
  z.strictObject({
    kind: z.literal('order'),
    order: OrderRequest,
    by: z.strictObject({ kind: z.literal('detector'), rule: text, version: z.int().min(1), digest: text }),
    alert: text,
    unanswered: z.enum(['skip', 'enforce']),
  }),
])

/** The schema of a request, as it is read back from the state. */
export const GrantRequest: z.ZodType<GrantRequest> = z.strictObject({
  id: text,
  tenant: text,
  principal: text,
  onBehalfOf: text.exactOptional(),
  session: text.exactOptional(),
  traceId: text.exactOptional(),
  what: Subject,
  reason: text,
  requestedBy: text,
  approver: text.exactOptional(),
  state: z.enum(states),
  askedMs: time,
  pendingUntilMs: time,
  ttlMs: time,
  decidedBy: text.exactOptional(),
  decidedMs: time.exactOptional(),
  note: text.exactOptional(),
  endsMs: time.exactOptional(),
})

/** A person by the name they sign in with: visible ASCII, so that no two names look alike. */
export const PersonName = z
  .string()
  .trim()
  .regex(/^[!-~](?:[ -~]{0,126}[!-~])?$/, 'is a name of up to 128 visible ASCII characters')

/** Why this person may not approve the request, or undefined when they may. */
export function approvalProblem(request: GrantRequest, approver: string): string | undefined {
  const { principal, onBehalfOf, requestedBy, approver: named } = request
  if (samePerson(approver, principal) || (onBehalfOf !== undefined && samePerson(approver, onBehalfOf)))
    return `${approver} is who the request is for; another person must approve it`
  if (samePerson(approver, requestedBy)) return `${approver} made the request; another person must approve it`
  if (named !== undefined && !samePerson(approver, named)) return `only ${named} may approve this request`
  return undefined
}

/** True for two spellings of one name: neither case, blanks and final dots nor kinds before a colon tell people apart. */
export function samePerson(one: string, other: string): boolean {
  return bare(one) === bare(other)
}

function bare(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\s*(?:(?:user|agent|service|mcp|operator)\s*:\s*)*/, '')
    .replace(/[\s.]+$/, '')
    .replace(/\s+/g, ' ')
}
