import { judgeSpike, type Judged, type SpikeRule, type Tally } from './spike.ts'

/** One flag of one tenant, where the service keeps it. */
export interface Place {
  readonly tenant: string
  readonly region: string
  readonly name: string
  readonly env: string
}

/** Longest time a flag service is asked to count over, seconds. Every service that tells how flags are doing answers for as long. */
export const healthSecondsMax = 3_600

/** How raises of flags are watched. */
export interface GuardRule extends SpikeRule {
  /** Up to this percentage nothing is watched. */
  readonly abovePct: number
  readonly envs: readonly string[]
  /** How long a raise is watched, milliseconds. */
  readonly watchMs: number
  readonly pollMs: number
  /** Over how long errors are counted, at most, milliseconds. */
  readonly windowMs: number
  /** How often in a row the counts may be unreadable. */
  readonly unreadableMax: number
  /** What becomes of a watched flag whose counts stay unreadable. */
  readonly whenBlind: 'rollback' | 'hold'
  /** What becomes of a raise that cannot be watched. */
  readonly unwatched: 'refuse' | 'allow'
  /** Environments in which a flag must stand between 0 and `abovePct` first, and for how long, milliseconds. */
  readonly firstStep: { readonly envs: readonly string[]; readonly heldMs: number }
}

/** A raise that is being watched, or rolled back. */
export interface Watch extends Place {
  readonly id: string
  /** The last percentage that was good: where a rollback leads. */
  readonly fromPct: number
  readonly toPct: number
  /** What the service counted before the raise. */
  readonly before?: Tally
  readonly beganMs: number
  /** When it is over if nothing happens, by the wall clock. */
  readonly endsMs: number
  /** False until the service has confirmed the raise: it may not have happened, or not yet. */
  readonly confirmed: boolean
  /** How often in a row the service's counts could not be read. */
  readonly unreadable: number
  /** Why it is being rolled back. */
  readonly rollingBack?: 'spike' | 'blind'
  /** Attempts to roll back so far. */
  readonly attempts: number
  /** The call that raised it; one of an older release has no span. */
  readonly call: {
    readonly traceId: string
    readonly spanId?: string
    readonly session: string
    readonly actor: string
    readonly req: string
  }
}

/** What one look at the service showed; `heldMs` is how long the percentage has stood. */
export interface Sight extends Tally {
  readonly rolloutPct: number
  readonly heldMs: number
}

/** How a watch ends when nothing is rolled back. */
export type Ended = 'kept' | 'quiet' | 'lowered' | 'not raised' | 'blind' | 'switched off'

/** What one look leads to. */
export type Next =
  | { readonly kind: 'go on'; readonly watch: Watch }
  | { readonly kind: 'roll back'; readonly why: 'spike' | 'blind'; readonly judged?: Judged }
  | { readonly kind: 'end'; readonly why: Ended; readonly judged?: Judged }

/** What a look at a watched flag leads to. `over` is true when the time of the watch is up. */
export function afterLook(rule: GuardRule, watch: Watch, sight: Sight | undefined, over: boolean): Next {
  if (sight === undefined) return unseen(rule, watch, over)
  if (sight.rolloutPct <= watch.fromPct) return below(watch, over)
  const judged = judgeSpike(rule, watch.before, sight)
  if (judged.kind === 'spike') return { kind: 'roll back', why: 'spike', judged }
  if (over) return { kind: 'end', why: judged.kind === 'few' ? 'quiet' : 'kept', judged }
  return { kind: 'go on', watch: { ...watch, toPct: sight.rolloutPct, confirmed: true, unreadable: 0 } }
}

/** A flag back at its good value needs no watching, unless the raise is still on its way. */
function below(watch: Watch, over: boolean): Next {
  if (watch.confirmed) return { kind: 'end', why: 'lowered' }
  return over ? { kind: 'end', why: 'not raised' } : { kind: 'go on', watch: { ...watch, unreadable: 0 } }
}

/** A raise nobody can see is not left standing, unless configuration says so: then its time runs out. */
function unseen({ unreadableMax, whenBlind }: GuardRule, watch: Watch, over: boolean): Next {
  const unreadable = watch.unreadable + 1
  if (unreadable < unreadableMax) return { kind: 'go on', watch: { ...watch, unreadable } }
  if (whenBlind === 'rollback') return { kind: 'roll back', why: 'blind' }
  return over ? { kind: 'end', why: 'blind' } : { kind: 'go on', watch: { ...watch, unreadable } }
}

/** True when a call would set a flag to more than its good value, above what may go unwatched. */
export function isRaise(rule: GuardRule, env: string, fromPct: number, toPct: number): boolean {
  return rule.envs.includes(env) && toPct > rule.abovePct && toPct > fromPct
}

/** True when a raise may happen that nobody watches. Never where a small step comes first and nobody can see whether there was one. */
export function mayGoUnwatched({ unwatched, firstStep }: GuardRule, env: string, seen: boolean): boolean {
  return unwatched === 'allow' && (seen || !firstStep.envs.includes(env))
}

/** True when a flag must take a smaller step first: it stands at nothing, or has not stood at a small step for long enough. */
export function isTooSteep({ firstStep, abovePct }: GuardRule, env: string, now: Sight): boolean {
  if (!firstStep.envs.includes(env) || now.rolloutPct > abovePct) return false
  return now.rolloutPct === 0 || now.heldMs < firstStep.heldMs
}
