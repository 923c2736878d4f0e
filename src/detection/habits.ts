import type { Json } from '../ports/json.ts'
import type { SequenceNovelty } from './analytic.ts'
import { grams, startMark, type Grams } from './grams.ts'

/** Newest quiet sessions kept to calibrate against. */
const sessionsMax = 500
/** Of these, sessions of one actor on one day: many sessions by one actor must not set the scale. */
const perActorDayMax = 10
const dayMs = 86_400_000

interface Quiet {
  readonly tools: readonly string[]
  readonly actor: string
  readonly day: number
}

/** What one tenant's agents usually do, in which order, and how surprising their ordinary sessions are. */
export interface Habits {
  learn(tools: readonly string[], actor: string, atMs: number): void
  /** −log₂ of the probability of `tool` after the two before it. */
  surprisal(before: readonly [string, string], tool: string): number
  knows(before: readonly [string, string], tool: string): boolean
  /** Share of the reference that scored strictly lower; null until there is a reference. */
  shareBelow(raw: number): number | null
  snapshot(): Json
  restore(state: Json): void
}

export interface HabitsOptions {
  readonly tenant: string
  /** Chains that several tenants show, shared by all. */
  readonly group: Grams
  readonly options: SequenceNovelty
}

/**
 * The reference is frozen for a day and scored out of sample: each session against the model without its own actor.
 * Scored in sample, a threshold meant for 1 % of sessions lands above 10 %.
 */
export function tenantHabits({ tenant, group, options }: HabitsOptions): Habits {
  const { known_when, baseline, cold_start, peers } = options
  const model = grams({ supportersMin: known_when.distinct_actors })
  let quiet: readonly Quiet[] = []
  let reference: Reference = { raw: [], share: [1] }
  let calibratedDay = -1

  /** Uniform over what is known and fifty unknown tools, averaged with what the peer group does. */
  const floor = (before: readonly [string, string], tool: string) => {
    const uniform = 1 / (model.vocabularySize() + 50)
    if (!peers || group.vocabularySize() === 0) return uniform
    return (1 - peers.weight) * uniform + peers.weight * group.probability(before, tool, uniform)
  }
  const bitsOf = (before: readonly [string, string], tool: string, without?: string) =>
    -Math.log2(model.probability(before, tool, floor(before, tool), without))

  function rawOf({ tools, actor }: Quiet): number {
    let before: readonly [string, string] = [startMark, startMark]
    let top: readonly [number, number] = [0, 0]
    for (const tool of tools) {
      top = twoLargest(top, bitsOf(before, tool, actor))
      before = [before[1], tool]
    }
    return top[0] + top[1]
  }

  function calibrate(day: number): void {
    if (quiet.length < cold_start.until_sessions || day === calibratedDay) return
    const oldest = day - Math.ceil(baseline / dayMs)
    model.forgetBefore(oldest)
    group.forgetBefore(oldest)
    reference = referenceOf(quiet.map((one) => ({ raw: rawOf(one), actor: one.actor })))
    calibratedDay = day
  }

  return {
    learn(tools, actor, atMs) {
      const day = Math.floor(atMs / dayMs)
      model.learn(tools, actor, day, (context, tool) => peers && group.support(context, tool, tenant, day))
      if (quiet.filter((one) => one.actor === actor && one.day === day).length < perActorDayMax)
        quiet = [...quiet.slice(1 - sessionsMax), { tools, actor, day }]
      calibrate(day)
    },
    surprisal: (before, tool) => bitsOf(before, tool),
    knows: (before, tool) => model.knows(before, tool),
    shareBelow: (raw) => (reference.raw.length === 0 ? null : reference.share[countBelow(reference.raw, raw)]!),
    snapshot: () => ({
      model: model.snapshot(),
      quiet: quiet as unknown as Json,
      reference: reference as unknown as Json,
      calibratedDay,
    }),
    restore(state) {
      const packed = state as unknown as {
        readonly model: Json
        readonly quiet: readonly Quiet[]
        readonly reference: Reference
        readonly calibratedDay: number
      }
      model.restore(packed.model)
      ;({ quiet, reference, calibratedDay } = packed)
    },
  }
}

interface Reference {
  /** Scores of the quiet sessions, ascending. */
  readonly raw: readonly number[]
  /** `share[k]`: share of sessions below a score that exceeds exactly `k` of them. */
  readonly share: readonly number[]
}

/**
 * Shares are the largest over leaving out any one actor's sessions, so that no single actor can make the scale so coarse
 * that nothing stands out any more.
 */
function referenceOf(scored: readonly { readonly raw: number; readonly actor: string }[]): Reference {
  const sorted = [...scored].sort((one, other) => one.raw - other.raw)
  const shares = [...new Set(sorted.map(({ actor }) => actor))].map((actor) => sharesWithout(actor, sorted))
  return {
    raw: sorted.map(({ raw }) => raw),
    share: Array.from({ length: sorted.length + 1 }, (_, k) => Math.max(...shares.map((share) => share[k]!))),
  }
}

function sharesWithout(actor: string, sorted: readonly { readonly actor: string }[]): readonly number[] {
  const others = sorted.filter((one) => one.actor !== actor).length
  if (others === 0) return Array.from({ length: sorted.length + 1 }, (_, k) => k / sorted.length)
  const shares = [0]
  let below = 0
  for (const one of sorted) {
    if (one.actor !== actor) below += 1
    shares.push(below / others)
  }
  return shares
}

/** The two largest so far, the larger first. */
export function twoLargest([first, second]: readonly [number, number], next: number): readonly [number, number] {
  if (next > first) return [next, first]
  return next > second ? [first, next] : [first, second]
}

/** How many of the ascending `sorted` are strictly lower, by halving. */
function countBelow(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
