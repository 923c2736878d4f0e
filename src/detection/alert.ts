export type Severity = 'informational' | 'low' | 'medium' | 'high' | 'critical'

/** What on-call is told. Identifiers and counts only, never personal data. */
export interface Alert {
  /** Derived from what fired it, so that a redelivered record gives the same alert. */
  readonly id: string
  /** Stable for the incident: first 32 hex of SHA-256(`rule|tenant|entity`). */
  readonly dedupeKey: string
  /** The rule's `name`. */
  readonly rule: string
  readonly ruleId: string
  readonly ruleVersion: number
  /** Digest of the whole rule set that judged. */
  readonly ruleSetDigest: string
  readonly title: string
  readonly severity: Severity
  readonly tenant: string
  readonly actor: string
  readonly session: string
  readonly trace: string
  readonly tools: readonly string[]
  /** At most 120 characters. */
  readonly summary: string
  /** Numbers against their baseline, one sentence. */
  readonly why: string
  readonly runbook?: string
  readonly tags: readonly string[]
  /** Records that fired it: stream, position, leaf. */
  readonly evidence: readonly { readonly stream: string; readonly seq: number; readonly leaf: string }[]
  readonly atMs: number
}

/** What a rule asks for when it fires, after stages and limits were applied. */
export interface Response {
  readonly action: string
  readonly target: string
  /** The value of the target field in the event that fired. */
  readonly targetValue: string
  readonly mode: 'shadow' | 'ask' | 'enforce'
  readonly ttlMs: number
  readonly scope?: 'tenant'
  /** For `ask`: who decides, by when, and what happens when nobody does. */
  readonly approver?: string
  readonly approveWithinMs?: number
  readonly onTimeout?: 'skip' | 'enforce'
  /** New ceilings, for a response that lowers limits. */
  readonly set?: Readonly<Record<string, number>>
}

/** One firing of one rule. */
export interface Finding {
  readonly alert: Alert
  readonly responses: readonly Response[]
  /** Response actions that could not be sent, and why: missing target, limiter, cooldown, `never`. */
  readonly skipped: readonly { readonly action: string; readonly why: string }[]
}
