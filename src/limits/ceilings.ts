import type { Effort } from '../call/limit.ts'
import { lowest, type Limits, type StopRules } from '../identity/directory.ts'
import type { Account } from './budget.ts'
import type { Rate } from './bucket.ts'

/** Whose ceilings: the principal's own, its tenant's, or the tool's within that tenant. */
export type Subject = 'principal' | 'tenant' | 'tool'

export type Ceilings = Limits & StopRules

/** Looks up what is set for one of a call's subjects. A tool's ceilings count per tenant: no tenant uses up another's. */
export type CeilingsOf = (subject: Subject, name: string, tenant: string) => Ceilings | undefined

/** For a principal without ceilings of its own. Tenants and tools have none unless configured. */
const defaultCeilings = {
  rpm: 600,
  burst: 100,
  concurrency: 32,
  max_plan_depth: 12,
  max_retries: 3,
} as const satisfies Ceilings

/** One of a call's subjects, with the ceilings in force for it. */
export interface Bound {
  readonly subject: Subject
  readonly key: string
  readonly ceilings: Ceilings
}

/**
 * The call's principal, the one it acts for, tenant and tool, in this order. Each has a count of its own, so nobody gets past
 * a ceiling through somebody who acts for them. What `lowered` says can only lower.
 */
export function boundsOf(configured: CeilingsOf, lowered: CeilingsOf | undefined, effort: Effort): readonly Bound[] {
  const { tenant, principal, onBehalfOf = principal, tool } = effort
  const named: readonly (readonly [Subject, string])[] = [
    ...[...new Set([principal, onBehalfOf])].map((name) => ['principal', name] as const),
    ['tenant', tenant],
    ['tool', tool],
  ]
  return named.map(([subject, name]) => {
    const set = configured(subject, name, tenant)
    const base = subject === 'principal' ? { ...defaultCeilings, ...withBurst(set, defaultCeilings.burst) } : set
    return {
      subject,
      key: JSON.stringify([subject, tenant, name]),
      ceilings: lowest(base, withBurst(lowered?.(subject, name, tenant), Infinity)),
    }
  })
}

/** The stop rules of all subjects together. */
export function stopRulesOf(bounds: readonly Bound[]): StopRules {
  return bounds.reduce<Ceilings>((strictest, { ceilings }) => lowest(strictest, ceilings), {})
}

/** The rate of a subject that has one. */
export function rateOf({ key, ceilings: { rpm, burst } }: Bound): Rate | undefined {
  return rpm === undefined ? undefined : { key, rpm, burst: burst ?? rpm }
}

/** Accounts to charge: the principal's always, so that its spending is known; others where they have a ceiling. */
export function accountOf({ subject, key, ceilings }: Bound): readonly Account[] {
  const usd = ceilings.daily_cost_usd
  if (usd !== undefined) return [{ key, limitMicroUsd: Math.floor(usd * 1e6) }]
  return subject === 'principal' ? [{ key }] : []
}

/** Where a rate is given without a burst, no more than a minute of it comes at once. So a lowered rate holds at once. */
function withBurst(set: Ceilings | undefined, burstMax: number): Ceilings {
  return set?.rpm === undefined ? { ...set } : { burst: Math.min(burstMax, set.rpm), ...set }
}
