import { ToolRefusal, UpstreamError } from '../ports/tool.ts'
import type { WatchStore } from '../ports/watch-store.ts'
import type { Watch } from '../limits/rollout.ts'
import type { Meters } from '../telemetry/metrics.ts'
import { placeKey, type Board } from './rollout-board.ts'
import { places, watchesMax } from './rollout-places.ts'
import type { Ward } from './rollout-raise.ts'
import { unwatchedWords } from './rollout-story.ts'
import { Busy, type Turns } from './turns.ts'

export interface WardParts {
  readonly board: Board
  readonly store: WatchStore
  readonly flags: Turns
  readonly meters: Pick<Meters, 'rollout'>
  readonly look: Ward['look']
  /** Puts the watch up and looks at its flag from now on. */
  readonly begin: (watch: Watch) => void
  readonly fault: (error: unknown) => void
}

/** How long a call waits for another one on the same flag. */
const turnMs = 5_000

/** The guard's side of a raise: what is kept, told and counted before it and after it. */
export function ward({ board, store, flags, meters, look, begin, fault }: WardParts): Ward {
  const toldOf = new Set<string>()
  const room = places(board.all)

  /** Tells of one tenant once: later raises of it are recorded alone. */
  const isNews = ({ tenant }: Watch): boolean => {
    if (toldOf.has(tenant)) return false
    if (toldOf.size < watchesMax) toldOf.add(tenant)
    return true
  }

  return {
    watched: (place) => board.get(place)?.watch,
    look,
    reserve: room.reserve,
    async prepare(watch) {
      try {
        await store.save(watch)
      } catch (error) {
        room.release(watch)
        fault(error)
        throw new ToolRefusal('policy_denied', 'Denied: the rollout cannot be watched. Nothing was changed.')
      }
    },
    async begin(watch) {
      const before = board.get(watch)?.watch
      begin(watch)
      room.release(watch)
      meters.rollout('begun')
      await board.quietly(store.save(watch))
      if (before) await board.quietly(store.drop(before.id))
      await board.note(watch, 'begun')
    },
    forget(watch) {
      room.release(watch)
      return board.quietly(store.drop(watch.id))
    },
    lowered: async (watch) => void (await board.end(watch, 'lowered')),
    async unwatched(watch) {
      meters.rollout('unwatched')
      const receipt = await board.note(watch, 'unwatched')
      if (isNews(watch)) board.alert(watch, { kind: 'unwatched', why: unwatchedWords }, receipt)
    },
    async alone(place, work) {
      try {
        return await flags.take(placeKey(place), turnMs, work)
      } catch (error) {
        throw error instanceof Busy ? new UpstreamError('upstream_unavailable', 'flag_busy', error.message) : error
      }
    },
  }
}
