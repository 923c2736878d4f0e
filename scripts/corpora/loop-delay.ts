import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Runs something and tells the longest time the event loop stood still meanwhile, milliseconds. */
export async function duringLoop<T>(run: () => Promise<T>): Promise<{ readonly value: T; readonly maxMs: number }> {
  const resolutionMs = 1
  const delays = monitorEventLoopDelay({ resolution: resolutionMs })
  delays.enable()
  const value = await run()
  delays.disable()
  // Each sample holds the interval it was taken at.
  return { value, maxMs: Math.max(0, delays.max / 1e6 - resolutionMs) }
}

/** The longest stop of several rounds, and that of the round in the middle. */
export interface LoopDelay {
  readonly maxMs: number
  readonly medianMs: number
}

export function loopDelayOf(maxesMs: readonly number[]): LoopDelay {
  const sorted = maxesMs.toSorted((one, other) => one - other)
  return { maxMs: sorted.at(-1) ?? 0, medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0 }
}
