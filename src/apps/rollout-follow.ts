import type { Sleep } from '../adapters/outgoing-gate.ts'
import { afterLook, type GuardRule, type Next, type Watch } from '../limits/rollout.ts'
import type { Clock } from '../ports/clock.ts'
import { setBack, type BackParts } from './rollout-back.ts'
import { placeKey, type Board, type Held } from './rollout-board.ts'
import type { Ward } from './rollout-raise.ts'
import { blindWords } from './rollout-story.ts'
import type { Turns } from './turns.ts'

export interface FollowerParts {
  readonly board: Board
  readonly flags: Turns
  readonly back: BackParts
  /** The rule in force; undefined while no raise is watched. */
  readonly rule: () => GuardRule | undefined
  readonly look: Ward['look']
  readonly clock: Clock
  /** A float in [0, 1), for jitter. */
  readonly random: () => number
  readonly sleep: Sleep
  /** Aborted when the guard closes. */
  readonly signal: AbortSignal
}

/** Looks at what is watched. */
export interface Follower {
  /** Puts a watch up, and looks at its flag from now on. `runMs` of its time are over already. */
  begin(watch: Watch, runMs: number): void
  /** What is being looked at; each ends with its watch. */
  readonly following: ReadonlySet<Promise<void>>
}

/** How long the guard itself waits for a call on the same flag: it comes again. */
const ownTurnMs = 60_000
const retryMaxMs = 60_000
/** Shortest pause between two looks, whatever anybody says. */
const pauseMinMs = 5

/** Looks at each flag until its watch is over, or another one took its place. */
export function follower(parts: FollowerParts): Follower {
  const { board } = parts
  const following = new Set<Promise<void>>()

  async function follow(watch: Watch): Promise<void> {
    for (;;) {
      const one = board.get(watch)
      if (one?.watch.id !== watch.id) return
      const pauseMs = pauseOf(one.watch, parts.rule()?.pollMs, parts.random())
      const [slept] = await Promise.allSettled([parts.sleep(pauseMs, parts.signal)])
      if (slept.status === 'rejected') return
      await board.quietly(step(parts, watch))
    }
  }

  return {
    following,
    begin(watch, runMs) {
      board.put(watch, runMs)
      const followed = board.quietly(follow(watch)).finally(() => following.delete(followed))
      following.add(followed)
    },
  }
}

/** Between looks, four to six fifths of the configured time; between attempts twice as long each time. */
function pauseOf({ rollingBack, attempts }: Watch, pollMs = 0, random: number): number {
  const base = rollingBack ? Math.min(retryMaxMs, pollMs * 2 ** Math.min(attempts, 16)) : pollMs
  return Math.max(pauseMinMs, base * (0.8 + 0.4 * random))
}

/** Looks without keeping anybody waiting; what follows from it happens only when nobody touched the flag meanwhile. */
async function step(parts: FollowerParts, place: Watch): Promise<void> {
  const { board, back, clock } = parts
  const one = board.get(place)
  if (one?.watch.id !== place.id) return
  const rule = parts.rule()
  const sight = rule && (await parts.look(place, Math.min(sinceMs(one, clock), rule.windowMs), place.call))
  await parts.flags.take(placeKey(place), ownTurnMs, async () => {
    if (board.get(place) !== one) return
    if (!rule) await board.end(one.watch, 'switched off')
    else if (one.watch.rollingBack) await setBack(back, one, sight)
    else await act(parts, one, afterLook(rule, one.watch, sight, clock.monoNs() >= one.untilNs), rule)
  })
}

const sinceMs = ({ sinceNs }: Held, clock: Clock): number => Number(clock.monoNs() - sinceNs) / 1e6

async function act({ board, back }: FollowerParts, one: Held, next: Next, { unreadableMax }: GuardRule): Promise<void> {
  const { watch } = one
  const blind = { kind: 'blind', why: blindWords } as const
  if (next.kind === 'roll back') {
    const rolling = await board.keep(one, { ...watch, rollingBack: next.why }, true)
    const receipt = await board.note(rolling.watch, 'rolling back', next.judged)
    return setBack(back, rolling, undefined, { judged: next.judged, receipt })
  }
  if (next.kind === 'end') {
    const receipt = await board.end(watch, next.why, next.judged)
    const untold = next.why === 'blind' && watch.unreadable < unreadableMax
    return untold ? board.alert(watch, blind, receipt) : undefined
  }
  const durably = next.watch.confirmed !== watch.confirmed || next.watch.toPct !== watch.toPct
  await board.keep(one, next.watch, durably)
  if (next.watch.unreadable === unreadableMax) board.alert(watch, blind)
}
