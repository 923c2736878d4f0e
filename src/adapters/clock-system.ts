import type { Clock } from '../ports/clock.ts'

/** The machine's clocks. */
export function systemClock(): Clock {
  return { nowMs: () => Date.now(), monoNs: () => process.hrtime.bigint() }
}
