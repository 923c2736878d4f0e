/** How far time has come, over all streams that are alive. */
export interface Watermark {
  /** Notes an event of a stream and gives the watermark after it, milliseconds since the epoch. Never goes back. */
  saw(stream: string, atMs: number): number
  snapshot(): readonly (readonly [string, number])[]
  restore(state: readonly (readonly [string, number])[]): void
}

/** Events of other streams may still be on their way. */
const lagMs = 10_000
/** A stream this far behind the newest is idle and holds nobody up. */
const idleMs = 30_000
const streamsMax = 10_000

/** With one live stream its newest event; with several the slowest one's, less ten seconds. */
export function watermark(): Watermark {
  const streams = new Map<string, number>()
  let newest = 0
  let reached = 0

  return {
    saw(stream, atMs) {
      streams.set(stream, Math.max(atMs, streams.get(stream) ?? 0))
      newest = Math.max(newest, atMs)
      for (const [other, last] of streams)
        if (newest - last > idleMs || streams.size > streamsMax) streams.delete(other)
      reached = Math.max(reached, streams.size <= 1 ? newest : Math.min(...streams.values()) - lagMs)
      return reached
    },
    snapshot: () => [['', reached], ...streams],
    restore(state) {
      streams.clear()
      for (const [stream, atMs] of state) if (stream !== '') streams.set(stream, atMs)
      reached = state.find(([stream]) => stream === '')?.[1] ?? 0
      newest = Math.max(0, ...streams.values())
    },
  }
}
