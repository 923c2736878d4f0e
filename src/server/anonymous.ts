import { buckets } from '../limits/bucket.ts'
import type { Clock } from '../ports/clock.ts'

/** How many refused credentials are written down: from one address, and from all of them. */
const perPeer = { rpm: 60, burst: 60 }
const together = { key: 'together', rpm: 300, burst: 300 }

/** Most addresses remembered at a time; one beyond that waits. */
const peersMax = 10_000

export interface Anonymous {
  /** 0 when this attempt may have a record of its own; else milliseconds until the next one may. */
  waitMs(address: string | undefined): number
}

/**
 * Bounds what callers without a valid credential can make the gateway write: each attempt on record is a signed entry
 * and a flush to disk. Attempts beyond the bound are answered 429 and leave no record.
 */
export function anonymousLimit(clock: Clock): Anonymous {
  const taken = buckets({ clock, keysMax: peersMax })
  return {
    waitMs(address = 'unknown') {
      const rates = [{ ...perPeer, key: `peer ${address}` }, together]
      const waitMs = Math.max(...rates.map((rate) => taken.look(rate).waitMs))
      if (waitMs === 0) for (const rate of rates) taken.take(rate)
      return waitMs
    },
  }
}
