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

/** The same, and the longest turn of the event loop in processor time of this thread: what others do meanwhile is not in it. */
export async function duringTurns<T>(
  run: () => Promise<T>,
): Promise<{ readonly value: T; readonly maxMs: number; readonly maxCpuMs: number }> {
  let maxCpuMs = 0
  let last = process.threadCpuUsage()
  let running = true
  const turn = (): void => {
    const now = process.threadCpuUsage()
    maxCpuMs = Math.max(maxCpuMs, (now.user - last.user + now.system - last.system) / 1000)
    last = now
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  const { value, maxMs } = await duringLoop(run)
  running = false
  return { value, maxMs, maxCpuMs }
}
