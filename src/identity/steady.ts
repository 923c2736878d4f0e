import type { Clock } from '../ports/clock.ts'

/** The time, between two bounds that hold whatever somebody does to the wall clock while the process lives. */
export interface SteadyTime {
  /** The wall clock, or where it would stand had nobody turned it back since the start: what has ended stays ended. */
  latestMs(): number
  /** The wall clock, or where it would stand had nobody put it forward since the start: what is kept is not forgotten early. */
  earliestMs(): number
}

export function steadyTime(clock: Clock): SteadyTime {
  const wallMs = clock.nowMs()
  const monoNs = clock.monoNs()
  const countedMs = () => wallMs + Number((clock.monoNs() - monoNs) / 1_000_000n)
  return {
    latestMs: () => Math.max(clock.nowMs(), countedMs()),
    earliestMs: () => Math.min(clock.nowMs(), countedMs()),
  }
}
