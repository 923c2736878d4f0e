import type { Json } from '../ports/json.ts'
import type { Limits } from './reaction.ts'
import { recent } from './recent.ts'

/** Sessions counted as active at once; beyond, the share is taken of fewer, which errs to less enforcement. */
const sessionsMax = 100_000
const activeMs = 3_600_000
/** Enforced responses remembered per rule and action. */
const spentMax = 2_000

interface Spent {
  readonly tenant: string
  readonly target: string
  readonly atMs: number
  readonly untilMs: number
}

/** Counts what was enforced, so that neither a bad rule nor a forged alert can stop everyone. */
export interface Limiter {
  /** Notes that a session did something. */
  readonly active: (session: string, atMs: number) => void
  /** Why one more may not be enforced now; undefined when it may. */
  refusal(key: string, limits: Limits | undefined, tenant: string, target: string, atMs: number): string | undefined
  spend(key: string, spent: Spent): void
  snapshot(): Json
  restore(state: Json): void
}

export function limiter(): Limiter {
  const sessions = recent<number>({ countMax: sessionsMax })
  const ledger = new Map<string, readonly Spent[]>()

  const activeCount = (atMs: number) => {
    for (let oldest = sessions.oldest(); oldest && atMs - oldest[1] > activeMs; oldest = sessions.oldest())
      sessions.delete(oldest[0])
    return sessions.size
  }

  return {
    active: (session, atMs) => void sessions.put(session, atMs),
    refusal(key, limits, tenant, target, atMs) {
      if (!limits) return undefined
      const spent = ledger.get(key) ?? []
      return rateRefusal(limits, spent, tenant, atMs) ?? shareRefusal(limits, spent, target, atMs, activeCount(atMs))
    },
    spend: (key, spent) => void ledger.set(key, [...(ledger.get(key) ?? []).slice(1 - spentMax), spent]),
    snapshot: () => ({ sessions: [...sessions.entries()], ledger: [...ledger] as unknown as Json }),
    restore(state) {
      const packed = state as unknown as {
        readonly sessions: readonly [string, number][]
        readonly ledger: readonly [string, Spent[]][]
      }
      sessions.clear()
      ledger.clear()
      for (const [session, atMs] of packed.sessions) sessions.put(session, atMs)
      for (const [key, spent] of packed.ledger) ledger.set(key, spent)
    },
  }
}

function rateRefusal(
  { per_tenant, global }: Limits,
  spent: readonly Spent[],
  tenant: string,
  atMs: number,
): string | undefined {
  const full = (rate: Limits['global'], counted: readonly Spent[]) =>
    rate !== undefined && counted.filter((one) => atMs - one.atMs < rate.withinMs).length >= rate.countMax
  if (
    full(
      per_tenant,
      spent.filter((one) => one.tenant === tenant),
    )
  )
    return `response limiter tripped: ${per_tenant!.countMax} per tenant`
  if (full(global, spent)) return `response limiter tripped: ${global!.countMax} in all`
  return undefined
}

/** One session may always be held: a share of few sessions would otherwise be none. */
function shareRefusal(
  { max_share_of_active_sessions: share }: Limits,
  spent: readonly Spent[],
  target: string,
  atMs: number,
  active: number,
): string | undefined {
  if (share === undefined) return undefined
  const held = new Set(spent.filter((one) => one.untilMs > atMs).map((one) => one.target))
  held.delete(target)
  if (held.size < Math.max(1, Math.floor(share * active))) return undefined
  return `response limiter tripped: ${held.size} of ${active} active sessions are held already`
}
