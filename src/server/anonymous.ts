import type { Principal } from '../identity/principal.ts'
import { buckets, type Buckets, type Rate } from '../limits/bucket.ts'
import type { Clock } from '../ports/clock.ts'

/** How many refused credentials are written down: from one address (or of one owner), and from all addresses. */
const perPeer = { rpm: 60, burst: 60 }
const together = { key: 'together', rpm: 300, burst: 300 }

/** Most addresses remembered at a time; one beyond that waits. */
const peersMax = 10_000

export interface Anonymous {
  /** 0 when this attempt may have a record of its own; else milliseconds until the next one may. */
  waitMs(address: string | undefined): number
  /** The same for a token that was proven, in other hands: whatever strangers send, a theft is on record. Each code by itself. */
  waitMsOf(owner: Owner, code: string): number
}

/** Whose token it is. */
type Owner = Pick<Principal, 'tenant' | 'issuer' | 'subject'>

/**
 * Bounds what callers without a valid credential can make the gateway write: each attempt on record is a signed entry
 * and a flush to disk. Attempts beyond the bound are answered 429 and leave no record.
 */
export function anonymousLimit(clock: Clock): Anonymous {
  const strangers = buckets({ clock, keysMax: peersMax })
  const owners = buckets({ clock, keysMax: peersMax })
  return {
    waitMs: (address = 'unknown') => taken(strangers, { ...perPeer, key: `peer ${address}` }, together),
    waitMsOf: ({ tenant, issuer, subject }, code) =>
      taken(owners, { ...perPeer, key: JSON.stringify([tenant, issuer, subject, code]) }),
  }
}

/** Takes one from each, or waits and takes none. */
function taken(from: Buckets, ...rates: readonly Rate[]): number {
  const waitMs = Math.max(...rates.map((rate) => from.look(rate).waitMs))
  if (waitMs === 0) for (const rate of rates) from.take(rate)
  return waitMs
}
