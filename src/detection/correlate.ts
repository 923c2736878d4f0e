import type { Json } from '../ports/json.ts'
import type { Fields, Origin } from './event.ts'
import { groupOf } from './feature.ts'
import { recent } from './recent.ts'
import type { Correlation } from './rule.ts'

/** One match of a base rule. */
export interface Match {
  readonly rule: string
  readonly atMs: number
  readonly origin: Origin
  readonly fields: Fields
}

/** A correlation that came true. */
export interface Joined {
  readonly atMs: number
  /** The matches that made it true, at most eight, oldest first. */
  readonly matches: readonly Match[]
  /** The group's fields, under the correlation's own names. */
  readonly group: Fields
}

/** Joins matches of base rules, per group. */
export interface Correlator {
  match(match: Match): readonly Joined[]
  /** Time has come this far: what was awaited until then will not come any more. */
  watermark(atMs: number): readonly Joined[]
  /** Matches that joined no group, because a field was missing. */
  skipped(): number
  snapshot(): Json
  restore(state: Json): void
  evicted(): number
}

const groupsMax = 20_000
/** Matches kept per group. */
const matchesMax = 64
const toldMax = 8

interface Group {
  readonly matches: readonly Match[]
  /** Absence: matches whose grace still runs. */
  readonly waiting: readonly Match[]
}

/** The positive rules and the forbidden ones of an absence; undefined for the other types. */
export interface Absence {
  readonly present: readonly string[]
  readonly absent: readonly string[]
}

/** A correlator with empty memory. `absence` is given for `temporal` conditions that say `not`. */
export function correlator(correlation: Correlation, absence?: Absence): Correlator {
  const groups = recent<Group>({ countMax: groupsMax })
  const waitingGroups = new Set<string>()
  const grace = correlation.grace ?? 0
  let skipped = 0

  const within = (matches: readonly Match[], atMs: number) =>
    matches.filter((one) => atMs - one.atMs <= correlation.timespan)

  function put(key: string, group: Group): void {
    const gone = groups.put(key, group)
    if (gone) waitingGroups.delete(gone[0])
    if (group.waiting.length > 0) waitingGroups.add(key)
    else waitingGroups.delete(key)
  }

  function settle(key: string, atMs: number): readonly Joined[] {
    const group = groups.get(key)!
    const due = group.waiting.filter((one) => one.atMs + grace <= atMs)
    put(key, { ...group, waiting: group.waiting.filter((one) => one.atMs + grace > atMs) })
    return due.map((one) => ({ atMs: one.atMs + grace, matches: [one], group: groupFields(one, correlation) }))
  }

  /** The forbidden match may stand before the awaited one, or come within its grace. */
  function awaited(key: string, match: Match, rule: Absence): readonly Joined[] {
    const group = groups.get(key) ?? { matches: [], waiting: [] }
    if (rule.absent.includes(match.rule)) {
      const still = group.waiting.filter(
        (one) => match.atMs - one.atMs > grace || one.atMs - match.atMs > correlation.timespan,
      )
      put(key, { matches: [...within(group.matches, match.atMs).slice(1 - matchesMax), match], waiting: still })
      return []
    }
    if (!rule.present.includes(match.rule) || within(group.matches, match.atMs).length > 0) return []
    put(key, { ...group, waiting: [...group.waiting.slice(1 - matchesMax), match] })
    return grace === 0 ? settle(key, match.atMs) : []
  }

  function counted(key: string, match: Match): readonly Joined[] {
    const before = within(groups.get(key)?.matches ?? [], match.atMs)
    const matches = [...before.slice(1 - matchesMax), match]
    put(key, { matches, waiting: [] })
    const joined = [{ atMs: match.atMs, matches: matches.slice(-toldMax), group: groupFields(match, correlation) }]
    return isTrue(correlation, matches) ? joined : []
  }

  return {
    match(match) {
      const key = groupKey(match, correlation)
      if (key === undefined) {
        skipped += 1
        return []
      }
      return absence ? awaited(key, match, absence) : counted(key, match)
    },
    watermark: (atMs) =>
      [...waitingGroups].flatMap((key) => settle(key, atMs)).sort((one, other) => one.atMs - other.atMs),
    skipped: () => skipped,
    snapshot: () => ({ skipped, groups: [...groups.entries()] as unknown as Json }),
    restore(state) {
      const packed = state as unknown as { readonly skipped: number; readonly groups: readonly [string, Group][] }
      groups.clear()
      waitingGroups.clear()
      skipped = packed.skipped
      for (const [key, group] of packed.groups) put(key, group)
    },
    evicted: () => groups.evicted,
  }
}

/** The field that carries a group's name in matches of this rule. */
export function fieldFor(name: string, rule: string, { aliases }: Correlation): string {
  return aliases?.[name]?.[rule] ?? name
}

function groupKey(match: Match, correlation: Correlation): string | undefined {
  return groupOf(
    match.fields,
    correlation['group-by'].map((name) => fieldFor(name, match.rule, correlation)),
  )
}

function groupFields(match: Match, correlation: Correlation): Fields {
  return Object.fromEntries(
    correlation['group-by'].map((name) => [name, match.fields[fieldFor(name, match.rule, correlation)]!]),
  )
}

function isTrue({ type, rules, condition }: Correlation, matches: readonly Match[]): boolean {
  const limit = typeof condition === 'object' ? condition.gte : 1
  switch (type) {
    case 'event_count':
      return matches.length >= limit
    case 'value_count': {
      const field = typeof condition === 'object' ? (condition.field ?? '') : ''
      return new Set(matches.map(({ fields }) => JSON.stringify(fields[field] ?? null))).size >= limit
    }
    case 'temporal':
      return rules.every((rule) => matches.some((match) => match.rule === rule))
    case 'temporal_ordered':
      return inOrder(rules, matches)
  }
}

function inOrder(rules: readonly string[], matches: readonly Match[]): boolean {
  let next = 0
  for (const match of matches) if (match.rule === rules[next]) next += 1
  return next === rules.length
}
