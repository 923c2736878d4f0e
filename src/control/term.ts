import type { Clock } from '../ports/clock.ts'

/** A right's end. It comes as soon as either clock says so: setting a clock ends a right early, and never makes it longer. */
export interface Term {
  /** Milliseconds until it is over; 0 once it is. */
  remainingMs(): number
}

/**
 * A term that ends at `endsMs` by the wall clock. `knownMs` is the latest wall time anybody knows of, where a process
 * that has only just begun cannot trust its own clock alone: what had gone by before a restart stays gone.
 */
export function term(clock: Clock, endsMs: number, knownMs = 0): Term {
  const monoMs = (): number => Number(clock.monoNs() / 1_000_000n)
  const endMonoMs = monoMs() + endsMs - Math.max(clock.nowMs(), knownMs)
  let over = false
  return {
    remainingMs() {
      const left = Math.min(endsMs - clock.nowMs(), endMonoMs - monoMs())
      over ||= left <= 0
      return over ? 0 : left
    },
  }
}
