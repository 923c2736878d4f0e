import type { Clock } from '../../src/ports/clock.ts'

/** A clock that moves when told. */
export interface TestClock extends Clock {
  /** Lets time pass: both clocks move. */
  advance(ms: number): void
  /** Somebody sets the wall clock; the monotonic one goes on as it was. */
  step(ms: number): void
}

/** Stands at 2026-11-20 12:00 UTC unless told otherwise. */
export function testClock(startMs = Date.UTC(2026, 10, 20, 12)): TestClock {
  let wallMs = startMs
  let monoNs = 1_000_000_000n
  return {
    nowMs: () => wallMs,
    monoNs: () => monoNs,
    advance(ms) {
      wallMs += ms
      monoNs += BigInt(Math.round(ms * 1e6))
    },
    step(ms) {
      wallMs += ms
    },
  }
}
