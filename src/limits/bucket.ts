import type { Clock } from '../ports/clock.ts'

/** How fast one key may go: `rpm` a minute in the long run, `burst` at once after a pause. */
export interface Rate {
  readonly key: string
  readonly rpm: number
  readonly burst: number
}

/** What a bucket says when it is asked for one more. */
export interface Fill {
  /** Milliseconds until there is room for one; 0 when there is room now. */
  readonly waitMs: number
  /** Milliseconds until the whole burst is there again. */
  readonly resetMs: number
}

export interface Buckets {
  /** Whether one more fits. Takes nothing. */
  look(rate: Rate): Fill
  /** Takes one. Call it after `look` said that it fits. */
  take(rate: Rate): void
}

/** An answer for rates of nothing at all: ask again in a minute, someone may have raised them. */
const nothing: Fill = { waitMs: 60_000, resetMs: 60_000 }

/**
 * Token buckets by key. A bucket is one number, the moment at which it is full again; taking one moves that moment by the
 * time one call is worth, and there is room while it lies less than a burst ahead. Counted on the monotonic clock: no
 * clock step opens or jams a bucket. At most `keysMax` buckets that are not full; a key beyond that is refused.
 */
export function buckets(options: { readonly clock: Clock; readonly keysMax: number }): Buckets {
  const fullAtMs = new Map<string, number>()
  const nowMs = () => Number(options.clock.monoNs() / 1000n) / 1000

  return {
    look(rate) {
      if (rate.rpm <= 0 || rate.burst <= 0) return nothing
      if (!fullAtMs.has(rate.key) && !hasRoom(fullAtMs, nowMs(), options.keysMax)) return nothing
      const aheadMs = Math.max(0, (fullAtMs.get(rate.key) ?? 0) - nowMs())
      const worthMs = 60_000 / rate.rpm
      return {
        waitMs: Math.max(0, Math.ceil(aheadMs - worthMs * (rate.burst - 1) - 1e-6)),
        resetMs: Math.ceil(aheadMs),
      }
    },
    take(rate) {
      const fromMs = Math.max(nowMs(), fullAtMs.get(rate.key) ?? 0)
      fullAtMs.delete(rate.key)
      fullAtMs.set(rate.key, fromMs + 60_000 / rate.rpm)
    },
  }
}

/** A full bucket is as good as none, so those that were used longest ago go first, and only when they are full. */
function hasRoom(fullAtMs: Map<string, number>, nowMs: number, keysMax: number): boolean {
  for (const [key, atMs] of fullAtMs) {
    if (fullAtMs.size < keysMax || atMs > nowMs) break
    fullAtMs.delete(key)
  }
  return fullAtMs.size < keysMax
}
