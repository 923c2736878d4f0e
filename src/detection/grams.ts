import type { Json } from '../ports/json.ts'

/** Stands before the first tool of a session, twice, and after the last. */
export const startMark = '\u0002'
const endMark = '\u0003'

/** Pairs of context and follower kept per model. What does not fit stays unknown, which errs to an alert too many. */
const gramsMax = 20_000
/** Supporters remembered per pair; more add nothing to what is known. */
const supportersMax = 16

interface Context {
  /** Follower, to who showed it, to the last day they did. */
  readonly followers: Map<string, Map<string, number>>
  /** Sum of counts and number of known followers; recomputed when stale. */
  total: number
  distinct: number
  stale: boolean
}

/** What is known of the order of tools: which follow which, and how many different supporters showed it. */
export interface Grams {
  /** Learns one session. Told the pairs that are known after it. */
  learn(tools: readonly string[], supporter: string, day: number, known?: (context: string, tool: string) => void): void
  /** Notes support for one pair. */
  support(context: string, tool: string, supporter: string, day: number): void
  /** Interpolated Witten-Bell estimate of `tool` after the two tools before it, from `base`. Without one supporter, when asked. */
  probability(before: readonly [string, string], tool: string, base: number, without?: string): number
  /** True when the pair has enough supporters. */
  knows(before: readonly [string, string], tool: string): boolean
  /** Known tools, the end mark not counted. */
  vocabularySize(): number
  /** Drops support last shown before this day. */
  forgetBefore(day: number): void
  snapshot(): Json
  restore(state: Json): void
}

/** Counts are distinct supporters, and pairs with fewer than `supportersMin` count as unseen: no single actor can teach a chain. */
export function grams({ supportersMin }: { readonly supportersMin: number }): Grams {
  const contexts = new Map<string, Context>()
  let size = 0

  const countOf = (followers: Context['followers'], tool: string, without?: string) => {
    const supporters = followers.get(tool)
    if (!supporters) return 0
    const count = supporters.size - (without !== undefined && supporters.has(without) ? 1 : 0)
    return count >= supportersMin ? count : 0
  }

  const tally = (context: Context, without?: string) => {
    if (without === undefined && !context.stale) return context
    let total = 0
    let distinct = 0
    for (const tool of context.followers.keys()) {
      const count = countOf(context.followers, tool, without)
      total += count
      distinct += count > 0 ? 1 : 0
    }
    return without === undefined ? Object.assign(context, { total, distinct, stale: false }) : { total, distinct }
  }

  function support(contextKey: string, tool: string, supporter: string, day: number): void {
    const context = contexts.get(contextKey) ?? { followers: new Map(), total: 0, distinct: 0, stale: true }
    const supporters = context.followers.get(tool) ?? new Map<string, number>()
    if (supporters.size === 0) {
      if (size >= gramsMax) return
      size += 1
      contexts.set(contextKey, context)
      context.followers.set(tool, supporters)
    }
    if (!supporters.has(supporter) && supporters.size >= supportersMax) return
    supporters.set(supporter, Math.max(day, supporters.get(supporter) ?? day))
    context.stale = true
  }

  return {
    support,
    learn(tools, supporter, day, known) {
      for (const [context, tool] of pairs(tools)) {
        support(context, tool, supporter, day)
        if (known && countOf(contexts.get(context)?.followers ?? new Map(), tool) > 0) known(context, tool)
      }
    },
    probability(before, tool, base, without) {
      let p = base
      for (const key of contextsOf(before)) {
        const context = contexts.get(key)
        const { total, distinct } = context ? tally(context, without) : { total: 0, distinct: 0 }
        if (!context || total === 0) break
        p = (countOf(context.followers, tool, without) + distinct * p) / (total + distinct)
      }
      return p
    },
    knows: (before, tool) => countOf(contexts.get(contextsOf(before)[2])?.followers ?? new Map(), tool) > 0,
    vocabularySize() {
      const all = contexts.get('')
      if (!all) return 0
      return tally(all).distinct - (countOf(all.followers, endMark) > 0 ? 1 : 0)
    },
    forgetBefore(day) {
      for (const [key, context] of contexts) {
        for (const [tool, supporters] of context.followers) {
          for (const [supporter, last] of supporters) if (last < day) supporters.delete(supporter)
          if (supporters.size === 0 && context.followers.delete(tool)) size -= 1
        }
        context.stale = true
        if (context.followers.size === 0) contexts.delete(key)
      }
    },
    snapshot: () =>
      [...contexts].map(([key, { followers }]) => [
        key,
        [...followers].map(([tool, supporters]) => [tool, [...supporters]]),
      ]),
    restore(state) {
      contexts.clear()
      size = 0
      for (const [key, followers] of state as unknown as readonly [
        string,
        readonly [string, readonly [string, number][]][],
      ][])
        for (const [tool, supporters] of followers)
          for (const [supporter, day] of supporters) support(key, tool, supporter, day)
    },
  }
}

/** Contexts of no, one and two tools before, as keys. */
function contextsOf([first, second]: readonly [string, string]): readonly [string, string, string] {
  return ['', second, `${first}\u001f${second}`]
}

function* pairs(tools: readonly string[]): Generator<readonly [string, string]> {
  let before: readonly [string, string] = [startMark, startMark]
  for (const tool of [...tools, endMark]) {
    for (const context of contextsOf(before)) yield [context, tool]
    before = [before[1], tool]
  }
}
