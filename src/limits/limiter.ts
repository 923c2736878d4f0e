import type { Limited } from '../call/call.ts'
import type { Effort, Limiter } from '../call/limit.ts'
import type { Denied } from '../call/outcome.ts'
import type { Clock } from '../ports/clock.ts'
import type { StateStore } from '../ports/state-store.ts'
import { buckets } from './bucket.ts'
import { budgets, type Account, type Charge } from './budget.ts'
import { accountOf, boundsOf, rateOf, stopRulesOf, type Bound, type CeilingsOf } from './ceilings.ts'
import { cycleWatch, type Cycle, type CycleWatch } from './cycle.ts'
import { budgetExhausted, concurrencyLimited, cycleStopped, loopStopped, planTooDeep, rateLimited } from './denial.ts'
import { loopWatch, type Attempt, type Counts } from './loop.ts'
import { slots } from './slots.ts'

export interface LimiterParts {
  readonly clock: Clock
  readonly state: StateStore
  /** What configuration sets. Read on every call. */
  readonly configured: CeilingsOf
  /** What switches lower for now. */
  readonly lowered?: CeilingsOf
  /** Told when the true cost of a call could not be booked afterwards. */
  readonly miscount?: (error: unknown) => void
  /** Most keys that any one table holds; 50,000 unless given. */
  readonly keysMax?: number
}

/** How long a repeated call, or a session that goes in circles, must rest until that is forgotten, milliseconds. */
const quietMs = 60_000

/** Full turns that the same few calls may make, where `max_retries` does not allow more. */
const turnsMax = 20

/** Ends a call, once; later ends are ignored. `spentMicroUsd` is the true cost where it is not the tool's price: 0 when nothing ran. */
export type Leave = (ended: 'ok' | 'not', spentMicroUsd?: number) => void

/** A place, or why not. Both say what was counted, so that evidence can. */
export type Admission =
  | { readonly ok: true; readonly limits: Limited['limits']; readonly release: Leave }
  | { readonly ok: false; readonly limits: Limited['limits']; readonly denied: Denied }

export interface CallLimiter extends Limiter {
  enter(effort: Effort): Promise<Admission>
  /** The same counts held to other ceilings: what was used before a reload is used after it. */
  under(configured: CeilingsOf): CallLimiter
}

/** A call on its way in. */
interface Entering {
  readonly effort: Effort
  readonly bounds: readonly Bound[]
  readonly attempt: Attempt
}

/**
 * Rate, concurrency, stop rules and budget, in this order, for principal, whom it acts for, tenant and tool together: a refused call takes
 * nothing from any of them. One that is told to come back later (rate, concurrency) does not count as a repetition.
 * Rejects, with nothing taken, when the state cannot be asked.
 */
export function limiter(parts: LimiterParts): CallLimiter {
  const keysMax = parts.keysMax ?? 50_000
  const rates = buckets({ clock: parts.clock, keysMax })
  const places = slots({ keysMax })
  const loops = loopWatch({ clock: parts.clock, quietMs, principalsMax: keysMax, perPrincipalMax: 64 })
  const cycles = cycleWatch({ clock: parts.clock, quietMs, sessionsMax: keysMax })
  const money = budgets({ state: parts.state, accountsMax: keysMax })

  function tooMuch(bounds: readonly Bound[]): Denied | undefined {
    for (const bound of bounds) {
      const rate = rateOf(bound)
      const fill = rate && rates.look(rate)
      if (fill && fill.waitMs > 0) return rateLimited(bound.subject, rate.rpm, fill)
    }
    for (const { subject, key, ceilings } of bounds) {
      const max = ceilings.concurrency
      if (max !== undefined && !places.free(key, max)) return concurrencyLimited(subject, max)
    }
    return undefined
  }

  function take(bounds: readonly Bound[]): void {
    for (const bound of bounds) {
      const rate = rateOf(bound)
      if (rate) rates.take(rate)
      places.take(bound.key)
    }
  }

  function giveBack({ attempt, bounds }: Entering, succeeded: boolean): void {
    for (const { key } of bounds) places.give(key)
    loops.ended(attempt, succeeded)
  }

  async function pay(entering: Entering, counts: Counts): Promise<Admission> {
    const accounts = entering.bounds.flatMap(accountOf)
    const nowMs = parts.clock.nowMs()
    const charge = await money.charge(accounts, entering.effort.costMicroUsd, nowMs)
    const limits = noteOf(counts, charge.usedMicroUsd, accounts[0]?.limitMicroUsd)
    if (charge.ok) return { ok: true, limits, release: once(leaver(entering, accounts, charge)) }
    giveBack(entering, false)
    return { ok: false, limits, denied: budgetExhausted(charge.exhausted.limitMicroUsd, nowMs) }
  }

  function leaver(entering: Entering, accounts: readonly Account[], { day }: Extract<Charge, { ok: true }>): Leave {
    return (ended, spentMicroUsd = entering.effort.costMicroUsd) => {
      giveBack(entering, ended === 'ok')
      const by = spentMicroUsd - entering.effort.costMicroUsd
      money.correct(accounts, day, by).catch((error: unknown) => parts.miscount?.(error))
    }
  }

  const under = (configured: CeilingsOf): CallLimiter => ({
    under,
    async enter(effort) {
      const entering = { effort, bounds: boundsOf(configured, parts.lowered, effort), attempt: attemptOf(effort) }
      const denied = tooMuch(entering.bounds)
      if (denied) return { ok: false, limits: noteOf(claimed(effort), 0), denied }
      take(entering.bounds)
      const counts = loops.count(entering.attempt)
      const stop = stopped(entering.bounds, counts, turning(cycles, entering))
      if (stop) {
        giveBack(entering, false)
        return { ok: false, limits: noteOf(counts, 0), denied: stop }
      }
      return pay(entering, counts).catch((error: unknown) => {
        giveBack(entering, false)
        throw error
      })
    },
  })
  return under(parts.configured)
}

/** A principal may open many sessions and many connections; repetitions count over all of them. */
function attemptOf({ principal, tenant, session, tool, argsKey, plan }: Effort): Attempt {
  return { principal: JSON.stringify([tenant, principal]), session, call: `${tool} ${argsKey}`, plan }
}

/** Declared pollers take no part: they may come back as often as they like. */
function turning(cycles: CycleWatch, { attempt, effort }: Entering): Cycle | undefined {
  if (effort.polling === true) return undefined
  return cycles.next(JSON.stringify([attempt.principal, attempt.session]), attempt.call)
}

function stopped(bounds: readonly Bound[], { planDepth, retry }: Counts, cycle: Cycle | undefined): Denied | undefined {
  const { max_plan_depth, max_retries } = stopRulesOf(bounds)
  if (max_plan_depth !== undefined && planDepth > max_plan_depth) return planTooDeep(max_plan_depth)
  if (max_retries !== undefined && retry > max_retries) return loopStopped(max_retries, quietMs)
  const most = Math.max(turnsMax, max_retries ?? 0)
  return cycle && cycle.turns > most ? cycleStopped(cycle, most, quietMs) : undefined
}

function noteOf(
  { planDepth, retry }: Counts,
  budgetUsedMicroUsd: number,
  budgetLimitMicroUsd?: number,
): Limited['limits'] {
  return { planDepth, retry, budgetUsedMicroUsd, ...(budgetLimitMicroUsd !== undefined && { budgetLimitMicroUsd }) }
}

/** All that is known of a call that was not counted. */
function claimed({ plan }: Effort): Counts {
  return { planDepth: Math.max(1, plan.depth ?? 1), retry: Math.max(0, plan.retry ?? 0) }
}

function once(leave: Leave): Leave {
  let left = false
  return (ended, spentMicroUsd) => {
    if (left) return
    left = true
    leave(ended, spentMicroUsd)
  }
}
