import { buckets, type Rate } from '../limits/bucket.ts'
import type { Clock } from '../ports/clock.ts'

/** Whose token a proof came with. */
export interface ProofOwner {
  readonly tenant: string
  readonly issuer: string
  readonly subject: string
}

/** Bounds how much of the memory of proofs one owner can fill. */
export interface ProofPace {
  /** Takes a place for one proof; else the milliseconds until there is one, and takes none. */
  take(owner: ProofOwner): number
}

/** Proofs of one principal a minute, in the long run. */
export const proofsPerMinute = 6_000

/**
 * A proof is remembered for three minutes, and what is remembered is never evicted. So a principal holds at most 19,000 of
 * them, 2 % of a million, and all principals of a tenant 190,000: a flood by one leaves room for the others.
 */
const perPrincipal = { rpm: proofsPerMinute, burst: 1_000 }
const perTenant = { rpm: 60_000, burst: 10_000 }

/** Most principals and tenants whose pace is known at a time; one that shows few is soon forgotten. */
const keysMax = 20_000

export function proofPace(clock: Clock): ProofPace {
  const places = buckets({ clock, keysMax })
  return {
    take({ tenant, issuer, subject }) {
      const rates: readonly Rate[] = [
        { ...perPrincipal, key: JSON.stringify([tenant, issuer, subject]) },
        { ...perTenant, key: JSON.stringify([tenant]) },
      ]
      const waitMs = Math.max(...rates.map((rate) => places.look(rate).waitMs))
      if (waitMs === 0) for (const rate of rates) places.take(rate)
      return waitMs
    },
  }
}
