import type { BreakerRules } from './breaker.ts'

/** What stands between the gateway and one service, in each of its regions for itself. */
export interface Guard {
  /** Calls under way at once. */
  readonly concurrency: number
  /** Calls that may wait for a place, and how long one does, milliseconds. */
  readonly queue: { readonly max: number; readonly waitMs: number }
  /** Longest a call may take with all its attempts, milliseconds. */
  readonly timeoutMs: number
  readonly breaker: BreakerRules
}

/** For whatever configuration says nothing of. */
export const defaultGuard: Guard = {
  concurrency: 64,
  queue: { max: 128, waitMs: 1_000 },
  timeoutMs: 10_000,
  breaker: {
    failures: 5,
    failureRate: 0.5,
    callsMin: 20,
    windowMs: 10_000,
    slowMs: 1_500,
    openMs: 1_000,
    openMaxMs: 30_000,
  },
}
