import type { Place } from '../limits/rollout.ts'
import { placeKey } from './rollout-board.ts'

/** Flags watched at one time. */
export const watchesMax = 200
/** How many of them one tenant may have: nobody's rollouts keep the others from raising. */
export const shareOfTenant = 40

/** Why a flag gets no place: its tenant has its share, or all places are taken. */
export type Shortage = 'tenant' | 'all'

/** Counts the flags that are watched, and those whose raise is under way. */
export interface Places {
  /** Keeps a place for the flag, for which one watch at a time is enough; says why there is none. */
  reserve(place: Place): Shortage | undefined
  /** The flag is watched now, or will not be. */
  release(place: Place): void
}

/** `watched` is what is watched now. What is reserved counts at once, so that many raises together cannot pass the bound. */
export function places(watched: () => readonly Place[]): Places {
  const reserved = new Map<string, Place>()
  return {
    reserve(place) {
      const taken = new Map([...watched(), ...reserved.values()].map((one) => [placeKey(one), one.tenant]))
      if (taken.has(placeKey(place))) return undefined
      if (taken.size >= watchesMax) return 'all'
      if ([...taken.values()].filter((tenant) => tenant === place.tenant).length >= shareOfTenant) return 'tenant'
      reserved.set(placeKey(place), place)
      return undefined
    },
    release: (place) => void reserved.delete(placeKey(place)),
  }
}
