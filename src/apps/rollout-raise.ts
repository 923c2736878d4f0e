import { randomUUID } from 'node:crypto'
import {
  isRaise,
  isTooSteep,
  mayGoUnwatched,
  type GuardRule,
  type Place,
  type Sight,
  type Watch,
} from '../limits/rollout.ts'
import type { Clock } from '../ports/clock.ts'
import { ToolRefusal, UpstreamError, type Content, type Tool, type ToolResult } from '../ports/tool.ts'
import { shareOfTenant, type Shortage } from './rollout-places.ts'

/** What the guard holds of one flag, as a call to it sees that. Only one call or rollback of a flag is under way at a time. */
export interface Ward {
  watched(place: Place): Watch | undefined
  /** What the service counted for a flag; undefined when nobody can tell. `call` is why somebody looks. */
  look(place: Place, windowMs: number, call: Watch['call']): Promise<Sight | undefined>
  /** Keeps a place for the flag until its watch begins or is forgotten; says why there is none. */
  reserve(place: Place): Shortage | undefined
  /** Keeps a watch, durably, before its raise happens. It takes the place of the one before once the raise is known of. */
  prepare(watch: Watch): Promise<void>
  /** The raise happened, or may have: from now on the flag is looked at. */
  begin(watch: Watch): Promise<void>
  /** The raise did not happen. */
  forget(watch: Watch): Promise<void>
  lowered(watch: Watch): Promise<void>
  unwatched(watch: Watch): Promise<void>
  /** Runs the work when nobody else is at the flag; refuses when that takes too long. */
  alone<T>(place: Place, work: () => Promise<T>): Promise<T>
}

interface Change {
  readonly place: Place
  readonly toPct: number
  readonly call: Watch['call']
  /** Sets the flag. */
  readonly invoke: () => Promise<ToolResult>
}

/** `flag.set`, with each raise watched: the same tool, but nobody raises a flag without the guard knowing of it first. */
export function guardedTool(tool: Tool, rule: GuardRule, ward: Ward, clock: Clock): Tool {
  return {
    ...tool,
    async invoke(args, context) {
      const { name, env, rolloutPct } = args as unknown as { name: string; env: string; rolloutPct: number }
      const { tenant, region, actor } = context
      const { req, traceId, spanId, session } = context.call
      const place = { tenant, region, name, env }
      const invoke = () => tool.invoke(args, context)
      const change = { place, toPct: rolloutPct, call: { req, traceId, spanId, session, actor }, invoke }
      // Small steps of a flag that nobody watches need not wait for one another.
      const harmless = !isRaise(rule, env, 0, rolloutPct) && !ward.watched(place)
      return harmless ? invoke() : ward.alone(place, () => changed(rule, ward, clock, change))
    },
  }
}

async function changed(rule: GuardRule, ward: Ward, clock: Clock, change: Change): Promise<ToolResult> {
  const { place, toPct, call } = change
  const watched = ward.watched(place)
  if (watched?.rollingBack && toPct > watched.fromPct) throw beingRolledBack()
  if (!isRaise(rule, place.env, watched?.fromPct ?? 0, toPct)) return lower(ward, change, watched)
  const now = await ward.look(place, rule.windowMs, call)
  if (now && isTooSteep(rule, place.env, now)) throw tooSteep(rule)
  if (now && !isRaise(rule, place.env, watched?.fromPct ?? now.rolloutPct, toPct)) return lower(ward, change, watched)
  if (now && watched?.confirmed && toPct === watched.toPct) return change.invoke()
  const why = now ? ward.reserve(place) : 'blind'
  if (now && why === undefined) return raise(ward, change, watchOf(rule, clock, change, now, watched), watched)
  if (!mayGoUnwatched(rule, place.env, now !== undefined)) throw cannotWatch(rule, why)
  const result = await change.invoke()
  await ward.unwatched(watchOf(rule, clock, change, undefined, watched))
  return result
}

async function lower(ward: Ward, { invoke }: Change, watched: Watch | undefined): Promise<ToolResult> {
  const result = await invoke()
  if (watched) await ward.lowered(watched)
  return result
}

async function raise(
  ward: Ward,
  { toPct, invoke }: Change,
  watch: Watch,
  watched: Watch | undefined,
): Promise<ToolResult> {
  await ward.prepare(watch)
  try {
    const result = await invoke()
    const previousPct = result.structured?.['previousPct']
    const fromPct = watched || typeof previousPct !== 'number' ? watch.fromPct : Math.min(previousPct, toPct)
    await ward.begin({ ...watch, fromPct, confirmed: true })
    return { ...result, content: [...(result.content ?? []), watchedText(watch, fromPct)] }
  } catch (error) {
    if (changedNothing(error)) await ward.forget(watch)
    else await ward.begin(watch)
    throw error
  }
}

/** Two raises in a row are one to the guard: the good value is the one before the first. */
function watchOf(
  { watchMs }: GuardRule,
  clock: Clock,
  { place, toPct, call }: Change,
  now: Sight | undefined,
  watched: Watch | undefined,
): Watch {
  const before = watched ? watched.before : now && { requests: now.requests, errors: now.errors }
  const beganMs = clock.nowMs()
  return {
    id: randomUUID(),
    ...place,
    fromPct: watched?.fromPct ?? now?.rolloutPct ?? 0,
    toPct,
    ...(before && { before }),
    beganMs,
    endsMs: beganMs + watchMs,
    confirmed: false,
    unreadable: 0,
    attempts: 0,
    call,
  }
}

/** What the agent is told beside the tool's own words: it should not be surprised. */
function watchedText({ beganMs, endsMs }: Watch, fromPct: number): Content {
  const minutes = Math.ceil((endsMs - beganMs) / 60_000)
  return {
    type: 'text',
    text: `This raise is watched for ${minutes} min: when errors spike, the gateway sets the flag back to ${fromPct} %.`,
  }
}

/** The other end's own word that nothing happened; anything else leaves that open. */
function changedNothing(error: unknown): boolean {
  return error instanceof ToolRefusal || (error instanceof UpstreamError && error.code === 'upstream_unavailable')
}

function beingRolledBack(): ToolRefusal {
  return refusal('Denied: this flag is being rolled back after too many errors. It may be lowered, not raised.')
}

function tooSteep({ abovePct, firstStep: { heldMs } }: GuardRule): ToolRefusal {
  const held = heldMs === 0 ? '' : ` and let it stand for ${Math.ceil(heldMs / 1000)} s`
  return refusal(`Denied: raise this flag to at most ${abovePct} % first${held}, then further.`)
}

const shortages: Readonly<Record<Shortage | 'blind', string>> = {
  blind: 'the flag service does not tell how the flag is doing now',
  tenant: `${shareOfTenant} rollouts of this tenant are watched already, which is its share`,
  all: 'too many rollouts are watched just now',
}

function cannotWatch({ abovePct }: GuardRule, why: Shortage | 'blind' = 'blind'): ToolRefusal {
  const reason = shortages[why]
  return refusal(`Denied: a raise above ${abovePct} % is watched, and ${reason}. Nothing was changed; try again later.`)
}

const refusal = (message: string): ToolRefusal => new ToolRefusal('policy_denied', message, 'rolloutPct')
