import type { Content } from '../ports/tool.ts'
import type { JsonObject } from '../ports/json.ts'

/** Every code a call can end with, apart from success. Fixed: people and agents script against them. */
export const codes = [
  'unauthenticated',
  'token_replayed',
  'scope_missing',
  'policy_denied',
  'ticket_required',
  'approval_required',
  'invalid_arguments',
  'unknown_tool',
  'quarantined',
  'read_only',
  'session_killed',
  'tenant_halted',
  'egress_denied',
  'region_unavailable',
  'rate_limited',
  'concurrency_limited',
  'budget_exhausted',
  'loop_stopped',
  'plan_too_deep',
  'idempotency_key_required',
  'idempotency_conflict',
  'outcome_unknown',
  'output_withheld',
  'upstream_unavailable',
  'upstream_failed',
  'internal',
] as const

export type Code = (typeof codes)[number]

/** What the agent is told: what to change, when to retry, how to ask for more. Never a rule's name, a host or a secret. */
export interface Denied {
  readonly code: Code
  readonly message: string
  /** The argument to change. */
  readonly field?: string
  /** Which limit, e.g. `rpm`, and its size. */
  readonly limit?: { readonly name: string; readonly max: number; readonly resetMs?: number }
  readonly retryAfterMs?: number
  /** How to ask for what is missing. */
  readonly elevate?: {
    readonly scopes?: readonly string[]
    readonly field?: string
    /** The request that a person has to decide, where one is open. */
    readonly request?: string
    readonly how: string
  }
}

/** Why a call ended before its answer. `rules` and `switchId` are for operators and evidence, never for the agent. */
export interface Refusal {
  readonly denied: Denied
  readonly rules?: readonly string[]
  readonly switchId?: string
  /** For clients that can be asked to wait for a person: what they send back with the same call, and the open request. */
  readonly resume?: { readonly requestState: string; readonly request: string }
  /** Class of the cause, for operators: `timeout`, `http_503`, an error's name. */
  readonly cause?: string
}

/** A result as it leaves: redacted, checked against the output schema. */
export interface Answer {
  readonly content: readonly Content[]
  readonly structured?: JsonObject
  readonly isError: boolean
}

/** How a call ends. Expected endings are values; exceptions are bugs or a broken world. */
export type Outcome =
  /** `replayOf` is the id of the call that was answered first, when this one repeats it. */
  | { readonly kind: 'ok'; readonly answer: Answer; readonly replayOf?: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** Began and did not succeed: the service failed, the result could not be shown, or we broke. */
  | { readonly kind: 'failed'; readonly refusal: Refusal }
