import type { Clock } from '../ports/clock.ts'

export interface AwakeClock extends Clock {
  close(): void
}

/** How often the process shows that it runs, and the most that counts between two signs of it, milliseconds. */
const beatEveryMs = 50
const pauseMsMax = 250

/**
 * A clock whose monotonic time stands while this process does: time in which nothing could run here says nothing of how
 * slow anybody else is. Of any pause between two beats `pauseMsMax` counts. Runs a timer until it is closed.
 */
export function awakeClock(clock: Clock): AwakeClock {
  let beatNs = clock.monoNs()
  let awakeNs = 0n
  const sinceBeatNs = (): bigint => lower(clock.monoNs() - beatNs, BigInt(pauseMsMax) * 1_000_000n)
  const timer = setInterval(() => {
    awakeNs += sinceBeatNs()
    beatNs = clock.monoNs()
  }, beatEveryMs)
  timer.unref()
  return { nowMs: clock.nowMs, monoNs: () => awakeNs + sinceBeatNs(), close: () => clearInterval(timer) }
}

const lower = (one: bigint, other: bigint): bigint => (one < other ? one : other)
