import type { Clock } from '../ports/clock.ts'

/** One attempt, as the stop rules see it. */
export interface Attempt {
  /** Who pays for the repetition: the principal, whatever session it opens. */
  readonly principal: string
  readonly session: string
  /** Tells equal calls apart from different ones: tool and arguments. */
  readonly call: string
  readonly plan: { readonly id?: string; readonly step?: number; readonly depth?: number; readonly retry?: number }
}

/** Our counts, raised by what the agent says of itself and never lowered by it. */
export interface Counts {
  readonly planDepth: number
  readonly retry: number
}

export interface LoopWatch {
  /** Counts the attempt as a step of its plan. `retry`: how often this very call was tried before without success. */
  count(attempt: Attempt): Counts
  /** Says how the attempt ended. Only success ends a streak, or a pause of `quietMs`. */
  ended(attempt: Attempt, succeeded: boolean): void
}

export interface LoopOptions {
  readonly clock: Clock
  /** A streak is forgotten when its call was not tried for this long. */
  readonly quietMs: number
  /** Most principals, and as many sessions, that are watched; those idle longest are forgotten first. */
  readonly principalsMax: number
  /** Most unsuccessful calls per principal, and most plans per session, that are told apart. */
  readonly perPrincipalMax: number
}

/** Steps beyond this are not counted one by one: no plan may be deeper anyway. */
const stepsMax = 1000

interface Streak {
  readonly failures: number
  readonly atMs: number
}

/**
 * Counts steps and repetitions itself. A plan's depth is the number of its different steps: a changed step number or a
 * changed call is another step. Repetitions count per call, so calls made in between do not hide them. A call that names
 * no plan has only the depth it claims: nothing else ties its calls together.
 */
export function loopWatch(options: LoopOptions): LoopWatch {
  const streaks = new Map<string, Map<string, Streak>>()
  const plans = new Map<string, Map<string, Set<string>>>()
  const nowMs = () => Number(options.clock.monoNs() / 1_000_000n)

  return {
    count({ principal, session, call, plan }) {
      const streak = streaks.get(principal)?.get(call)
      const failures = streak && nowMs() - streak.atMs < options.quietMs ? streak.failures : 0
      const steps = plan.id === undefined ? 1 : stepsOf(plans, session, plan.id, options)
      if (steps !== 1 && steps.size < stepsMax) steps.add(`${plan.step ?? ''} ${call}`)
      return { planDepth: claimed(plan.depth, steps === 1 ? 1 : steps.size), retry: claimed(plan.retry, failures) }
    },
    ended({ principal, call }, succeeded) {
      const own = inner(streaks, principal, options.principalsMax)
      const before = own.get(call)
      const failures = before && nowMs() - before.atMs < options.quietMs ? before.failures : 0
      own.delete(call)
      if (!succeeded) own.set(call, { failures: failures + 1, atMs: nowMs() })
      if (own.size > options.perPrincipalMax) forgetOldest(own)
      if (own.size === 0) streaks.delete(principal)
    },
  }
}

function stepsOf(
  plans: Map<string, Map<string, Set<string>>>,
  session: string,
  plan: string,
  options: LoopOptions,
): Set<string> {
  const own = inner(plans, session, options.principalsMax)
  const steps = own.get(plan) ?? new Set<string>()
  own.delete(plan)
  own.set(plan, steps)
  if (own.size > options.perPrincipalMax) forgetOldest(own)
  return steps
}

/** The larger of our count and the claim; a claim that is no whole number says nothing. */
function claimed(claim: number | undefined, counted: number): number {
  return claim !== undefined && Number.isSafeInteger(claim) ? Math.max(claim, counted) : counted
}

/** The map under `key`, most recently used last. */
function inner<T>(outer: Map<string, Map<string, T>>, key: string, max: number): Map<string, T> {
  const found = outer.get(key) ?? new Map<string, T>()
  outer.delete(key)
  outer.set(key, found)
  if (outer.size > max) forgetOldest(outer)
  return found
}

function forgetOldest(map: Map<string, unknown>): void {
  map.delete(map.keys().next().value as string)
}
