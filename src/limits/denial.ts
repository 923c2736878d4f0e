import type { Denied } from '../call/outcome.ts'
import { untilNextDayMs } from './budget.ts'
import type { Fill } from './bucket.ts'
import type { Cycle } from './cycle.ts'

/** How long to wait for a place when nobody can know when one is free, milliseconds. */
const placeWaitMs = 250

/** Whose limit was met, as the agent reads it. */
type Whose = 'principal' | 'tenant' | 'tool'

const whoseName: Readonly<Record<Whose, string>> = { principal: 'you', tenant: 'your organisation', tool: 'this tool' }

/** Calls come too fast. */
export function rateLimited(whose: Whose, rpm: number, { waitMs, resetMs }: Fill): Denied {
  return {
    code: 'rate_limited',
    message: `Too many calls: the limit for ${whoseName[whose]} is ${rpm} a minute. Wait ${seconds(waitMs)} and try again.`,
    limit: { name: named(whose, 'rpm'), max: rpm, resetMs },
    retryAfterMs: waitMs,
  }
}

/** Too many calls at one time. */
export function concurrencyLimited(whose: Whose, max: number): Denied {
  return {
    code: 'concurrency_limited',
    message: `Too many calls at once: the limit for ${whoseName[whose]} is ${max}. Try again when one of them has ended.`,
    limit: { name: named(whose, 'concurrency'), max },
    retryAfterMs: placeWaitMs,
  }
}

/** The day's money is spent. */
export function budgetExhausted(limitMicroUsd: number, nowMs: number): Denied {
  const resetMs = untilNextDayMs(nowMs)
  return {
    code: 'budget_exhausted',
    message: `The budget of ${limitMicroUsd / 1e6} US dollars for today does not cover this call. It is renewed at midnight UTC.`,
    limit: { name: 'daily_cost_usd', max: limitMicroUsd / 1e6, resetMs },
    retryAfterMs: resetMs,
  }
}

/** The same call keeps failing. */
export function loopStopped(max: number, quietMs: number): Denied {
  return {
    code: 'loop_stopped',
    message: `This call was repeated more than ${max} times without success. Change it, or let it rest for ${seconds(quietMs)}.`,
    limit: { name: 'max_retries', max, resetMs: quietMs },
    retryAfterMs: quietMs,
  }
}

/** The same few calls come round and round. */
export function cycleStopped({ period }: Cycle, max: number, quietMs: number): Denied {
  return {
    code: 'loop_stopped',
    message: `The same ${period} calls were made in turn more than ${max} times. Do something else, or let them rest for ${seconds(quietMs)}.`,
    limit: { name: 'max_cycles', max, resetMs: quietMs },
    retryAfterMs: quietMs,
  }
}

/** The plan has more steps than plans may have. */
export function planTooDeep(max: number): Denied {
  return {
    code: 'plan_too_deep',
    message: `The plan has more than ${max} steps. Report what you have, and begin a new plan.`,
    limit: { name: 'max_plan_depth', max },
  }
}

function named(whose: Whose, limit: string): string {
  return whose === 'principal' ? limit : `${whose}.${limit}`
}

function seconds(ms: number): string {
  return `${Math.max(0.1, Math.ceil(ms / 100) / 10)} s`
}
