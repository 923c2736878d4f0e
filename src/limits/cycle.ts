import type { Clock } from '../ports/clock.ts'

/** What turns: how many calls make one turn, and the how manieth turn has begun. */
export interface Cycle {
  readonly period: number
  readonly turns: number
}

export interface CycleWatch {
  /** Counts the call as the session's next one. Gives the cycle that it is part of, if any. */
  next(session: string, call: string): Cycle | undefined
}

export interface CycleOptions {
  readonly clock: Clock
  /** A session that rests for so long begins anew. */
  readonly quietMs: number
  /** Most sessions that are watched; those idle longest are forgotten first. */
  readonly sessionsMax: number
}

/** Longest cycle that is seen, in calls. */
const periodMax = 8

interface Track {
  /** The last calls, newest last. */
  calls: readonly string[]
  /** By period: how many calls in a row equalled the one so many before. */
  readonly runs: number[]
  atMs: number
}

/**
 * Sees sessions that go round in circles: the same two to eight calls, in the same order, again and again, with or without
 * success. One and the same call in a row is no cycle; repetitions without success are counted elsewhere.
 */
export function cycleWatch({ clock, quietMs, sessionsMax }: CycleOptions): CycleWatch {
  const tracks = new Map<string, Track>()

  function trackOf(session: string): Track {
    const nowMs = Number(clock.monoNs() / 1_000_000n)
    const found = tracks.get(session)
    const track = found && nowMs - found.atMs < quietMs ? found : { calls: [], runs: [], atMs: nowMs }
    track.atMs = nowMs
    tracks.delete(session)
    tracks.set(session, track)
    if (tracks.size > sessionsMax) tracks.delete(tracks.keys().next().value as string)
    return track
  }

  return {
    next(session, call) {
      const track = trackOf(session)
      for (let period = 1; period <= periodMax; period += 1) {
        const same = track.calls.at(-period) === call
        track.runs[period] = same ? (track.runs[period] ?? 0) + 1 : 0
      }
      track.calls = [...track.calls, call].slice(-periodMax)
      return cycleIn(track.runs)
    },
  }
}

/** The shortest period that turns. What equals its neighbour all along a turn is one call, not a cycle. */
function cycleIn(runs: readonly number[]): Cycle | undefined {
  const monotonous = runs[1] ?? 0
  for (let period = 2; period <= periodMax; period += 1) {
    const run = runs[period] ?? 0
    if (run >= period && monotonous < period - 1) return { period, turns: 1 + Math.ceil(run / period) }
  }
  return undefined
}
