import type { Sleep } from '../adapters/outgoing-gate.ts'
import type { ServiceClient } from '../adapters/service-http.ts'
import type { GuardRule, Place, Sight, Watch } from '../limits/rollout.ts'
import type { OpenPart } from '../ports/observer.ts'
import type { ServiceCall, Tool } from '../ports/tool.ts'
import type { WatchStore } from '../ports/watch-store.ts'
import { lookAtFlag } from '../tools/flag-service.ts'
import type { Digests } from './digests.ts'
import { board, placeKey, type BoardParts, type EndedWatch } from './rollout-board.ts'
import { follower } from './rollout-follow.ts'
import { guardedTool } from './rollout-raise.ts'
import { story } from './rollout-story.ts'
import { ward } from './rollout-ward.ts'
import { turns } from './turns.ts'

export interface RolloutGuardParts extends BoardParts {
  /** The services in force, to look at and to write to: by ways of their own, so that looks that fail keep nobody from writing. */
  readonly services: { readonly look: () => ServiceClient; readonly write: () => ServiceClient }
  /** The rule in force; undefined while no raise is watched. */
  readonly rule: () => GuardRule | undefined
  readonly digests: Pick<Digests, 'keyed' | 'plain'>
  readonly policyDigest: () => string
  /** True for a text in which nothing personal and no secret is found. */
  readonly clean: (text: string) => boolean
  /** A float in [0, 1), for jitter. */
  readonly random: () => number
  readonly sleep: Sleep
  /** Begins the span of one service call of the guard's, in the trace of the call that raised the flag. */
  readonly span: (tenant: string, call: Watch['call'], operationId?: string) => OpenPart
}

export interface RolloutGuard {
  /** The tools a runtime offers, with `flag.set` guarded by the runtime's own rule. */
  over(tool: (name: string) => Tool | undefined, rule: GuardRule | undefined): (name: string) => Tool | undefined
  /** Goes on with the watches the last process left. Call it once, when the configuration in force can be asked for. */
  resume(): void
  /** What is watched now. */
  watches(): readonly Watch[]
  /** What was watched since the start, newest last. */
  ended(): readonly EndedWatch[]
  /** Resolves when nothing is watched and every alert was handed over. */
  settled(): Promise<void>
  /** Stops looking, and waits for no sink. What is watched is looked at again after the next start. */
  close(): Promise<void>
}

/**
 * Watches every raise of a flag by what the service itself counts, and sets the flag back when errors spike: by the gateway's
 * own principal, with an intent before and an outcome after, under one operation id, until the service confirms. No switch
 * stops it, because it only restores what was allowed before.
 */
export async function rolloutGuard(parts: RolloutGuardParts): Promise<RolloutGuard> {
  const { store, clock, services } = parts
  const closing = new AbortController()
  const { signal } = closing
  const flags = turns()
  const words = story({ ...parts, nowMs: () => clock.nowMs() })
  const shown = board(parts, words)
  const left = await newestOf(store)

  function look(place: Place, windowMs: number, call: Watch['call']): Promise<Sight | undefined> {
    const { tenant, region } = place
    const begin = () => parts.span(tenant, call)
    return lookAtFlag(services.look()({ tenant, region, signal, begin }), place, windowMs)
  }

  function service({ tenant, region }: Watch, operationId: string, span: OpenPart): ServiceCall {
    return services.write()({ tenant, region, signal, operationId, begin: () => span })
  }

  const back = { ...parts, board: shown, words, service }
  const { begin, following } = follower({ ...parts, board: shown, flags, back, look, signal })
  const own = ward({ ...parts, board: shown, flags, look, begin: (watch) => begin(watch, 0) })
  return {
    over(tool, rule) {
      const plain = tool('flag.set')
      const guarded = plain && rule && guardedTool(plain, rule, own, clock)
      return guarded ? (name) => (tool(name) === plain ? guarded : tool(name)) : tool
    },
    resume() {
      for (const watch of left) begin(watch, elapsedOf(watch, clock.nowMs(), parts.rule()))
    },
    watches: shown.all,
    ended: shown.ended,
    async settled() {
      while (following.size + shown.telling.size > 0) await Promise.all([...following, ...shown.telling])
    },
    async close() {
      closing.abort()
      await Promise.all(following)
      await store.close()
    },
  }
}

/** What the last process left: of several watches of one flag the newest. The others are dropped. */
async function newestOf(store: WatchStore): Promise<readonly Watch[]> {
  const kept = new Map<string, Watch>()
  for (const watch of await store.list()) {
    const older = kept.get(placeKey(watch))
    if (older) await store.drop(older.id)
    kept.set(placeKey(watch), watch)
  }
  return [...kept.values()]
}

/** How much of its time a watch has had, by the wall clock. At least one window of it is left: nobody looked meanwhile. */
function elapsedOf({ beganMs, endsMs }: Watch, nowMs: number, rule: GuardRule | undefined): number {
  const lastMs = endsMs - beganMs - Math.min(rule?.windowMs ?? 0, endsMs - beganMs)
  return Math.min(Math.max(nowMs - beganMs, 0), lastMs)
}
