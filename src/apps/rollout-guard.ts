import { setTimeout as wait } from 'node:timers/promises'
import type { ServiceClient } from '../adapters/service-http.ts'
import { afterLook, type GuardRule, type Next, type Place, type Sight, type Watch } from '../limits/rollout.ts'
import { ToolRefusal, UpstreamError, type ServiceCall, type Tool } from '../ports/tool.ts'
import type { WatchStore } from '../ports/watch-store.ts'
import { lookAtFlag } from '../tools/flag-service.ts'
import type { Digests } from './digests.ts'
import { setBack, type BackParts } from './rollout-back.ts'
import { board, placeKey, type BoardParts, type EndedWatch, type Held } from './rollout-board.ts'
import { guardedTool, type Ward } from './rollout-raise.ts'
import { blindWords, story } from './rollout-story.ts'
import { Busy, turns } from './turns.ts'

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

/** Flags watched at one time. */
const watchesMax = 200
/** How long a call waits for another one on the same flag. */
const turnMs = 5_000
/** How long the guard itself waits: it comes again. */
const ownTurnMs = 60_000
const retryMaxMs = 60_000

/**
 * Watches every raise of a flag by what the service itself counts, and sets the flag back when errors spike: by the gateway's
 * own principal, with an intent before and an outcome after, under one operation id, until the service confirms. No switch
 * stops it, because it only restores what was allowed before.
 */
export async function rolloutGuard(parts: RolloutGuardParts): Promise<RolloutGuard> {
  const { store, clock } = parts
  const closing = new AbortController()
  const following = new Set<Promise<void>>()
  const flags = turns()
  const words = story({ ...parts, nowMs: () => clock.nowMs() })
  const shown = board(parts, words)
  const back: BackParts = { ...parts, board: shown, words, service: writer }
  const left = await newestOf(store)

  function writer({ tenant, region }: Watch, operationId: string): ServiceCall {
    return parts.services.write()({ tenant, region, signal: closing.signal, operationId })
  }

  function look(place: Place, windowMs: number): Promise<Sight | undefined> {
    const { tenant, region } = place
    const service = parts.services.look()({ tenant, region, signal: closing.signal })
    return lookAtFlag(service, place, windowMs)
  }

  function begin(watch: Watch, runMs: number): void {
    shown.put(watch, runMs)
    const followed = shown.quietly(follow(watch)).finally(() => following.delete(followed))
    following.add(followed)
  }

  /** Looks at a flag until its watch is over, or another one took its place. */
  async function follow(watch: Watch): Promise<void> {
    for (;;) {
      const one = shown.get(watch)
      if (one?.watch.id !== watch.id) return
      const [slept] = await Promise.allSettled([wait(pauseFor(one.watch), undefined, { signal: closing.signal, ref: false })]) // prettier-ignore
      if (slept.status === 'rejected') return
      await shown.quietly(step(watch))
    }
  }

  /** Between looks, four to six fifths of the configured time; between attempts twice as long each time. */
  function pauseFor({ rollingBack, attempts }: Watch): number {
    const pollMs = parts.rule()?.pollMs ?? 0
    const base = rollingBack ? Math.min(retryMaxMs, pollMs * 2 ** Math.min(attempts, 16)) : pollMs
    return base * (0.8 + 0.4 * parts.random())
  }

  /** Looks without keeping anybody waiting; what follows from it happens only when nobody touched the flag meanwhile. */
  async function step(place: Watch): Promise<void> {
    const one = shown.get(place)
    if (one?.watch.id !== place.id) return
    const rule = parts.rule()
    const sight = rule && (await look(place, Math.min(sinceMs(one), rule.windowMs)))
    await flags.take(placeKey(place), ownTurnMs, async () => {
      if (shown.get(place) !== one) return
      if (!rule) await shown.end(one.watch, 'switched off')
      else if (one.watch.rollingBack) await setBack(back, one, sight)
      else await act(one, afterLook(rule, one.watch, sight, clock.monoNs() >= one.untilNs), rule)
    })
  }

  const sinceMs = ({ sinceNs }: Held): number => Number(clock.monoNs() - sinceNs) / 1e6

  async function act(one: Held, next: Next, { unreadableMax }: GuardRule): Promise<void> {
    const { watch } = one
    if (next.kind === 'roll back') {
      const rolling = await shown.keep(one, { ...watch, rollingBack: next.why }, true)
      const receipt = await shown.note(rolling.watch, 'rolling back', next.judged)
      return setBack(back, rolling, undefined, { judged: next.judged, receipt })
    }
    if (next.kind === 'end') {
      const receipt = await shown.end(watch, next.why, next.judged)
      const untold = next.why === 'blind' && watch.unreadable < unreadableMax
      return untold ? shown.alert(watch, { kind: 'blind', why: blindWords }, receipt) : undefined
    }
    const durably = next.watch.confirmed !== watch.confirmed || next.watch.toPct !== watch.toPct
    await shown.keep(one, next.watch, durably)
    if (next.watch.unreadable === unreadableMax) shown.alert(watch, { kind: 'blind', why: blindWords })
  }

  const toldOf = new Set<string>()
  const ward: Ward = {
    watched: (place) => shown.get(place)?.watch,
    look,
    full: () => shown.all().length >= watchesMax,
    async prepare(watch) {
      try {
        await store.save(watch)
      } catch (error) {
        parts.fault(error)
        throw new ToolRefusal('policy_denied', 'Denied: the rollout cannot be watched. Nothing was changed.')
      }
    },
    async begin(watch) {
      const before = shown.get(watch)?.watch
      begin(watch, 0)
      parts.meters.rollout('begun')
      await shown.quietly(store.save(watch))
      if (before) await shown.quietly(store.drop(before.id))
      await shown.note(watch, 'begun')
    },
    forget: (watch) => shown.quietly(store.drop(watch.id)),
    lowered: async (watch) => void (await shown.end(watch, 'lowered')),
    async unwatched(watch) {
      parts.meters.rollout('unwatched')
      const receipt = await shown.note(watch, 'unwatched')
      if (toldOf.has(watch.tenant)) return
      if (toldOf.size < watchesMax) toldOf.add(watch.tenant)
      shown.alert(watch, { kind: 'unwatched', why: unwatchedWords }, receipt)
    },
    async alone(place: Place, work) {
      try {
        return await flags.take(placeKey(place), turnMs, work)
      } catch (error) {
        throw error instanceof Busy ? new UpstreamError('upstream_unavailable', 'flag_busy', error.message) : error
      }
    },
  }

  return {
    over(tool, rule) {
      const own = tool('flag.set')
      const guarded = own && rule && guardedTool(own, rule, ward, clock)
      return guarded ? (name) => (tool(name) === own ? guarded : tool(name)) : tool
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

const unwatchedWords =
  'The flag service does not tell how its flags are doing, or too many are watched: nobody would see an error spike. ' +
  'Later raises of this tenant are recorded without an alert.'

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
