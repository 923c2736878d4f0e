import type { Json } from '../ports/json.ts'
import type { FirstSeen } from './analytic.ts'
import type { Fields } from './event.ts'
import { groupOf, type Feature } from './feature.ts'
import { recent, type Recent } from './recent.ts'

const groupsMax = 1_000
/** Per group. One more forgets the value used longest ago, which errs to an alert too many. */
const valuesMax = 100_000
const dayMs = 86_400_000

interface Sight {
  readonly days: number
  readonly lastDay: number
  readonly lastMs: number
}

interface Group {
  readonly sinceMs: number
  readonly values: Recent<Sight>
}

/**
 * True for a value the group has used on fewer than `distinct_days` days within `history`; null until the group has been watched for `learning`.
 * Days rather than uses: an attacker who repeats a value all afternoon does not make it known.
 */
export function firstSeen(name: string, { of, by, history, learning, known_when }: FirstSeen): Feature {
  const groups = recent<Group>({ countMax: groupsMax })
  const isKnown = (sight: Sight | undefined, atMs: number) =>
    sight !== undefined && atMs - sight.lastMs <= history && sight.days >= known_when.distinct_days

  const watch = (key: string, sinceMs: number) => {
    const group = groups.get(key) ?? { sinceMs, values: recent<Sight>({ countMax: valuesMax }) }
    groups.put(key, group)
    return group
  }

  return {
    read(fields, atMs) {
      const value = valueOf(fields, of)
      if (value === undefined) return {}
      const group = groups.get(groupOf(fields, by) ?? '')
      if (!group || atMs - group.sinceMs < learning) return { [name]: null }
      return { [name]: !isKnown(group.values.get(value), atMs) }
    },
    learn(fields, atMs, quiet) {
      const key = groupOf(fields, by)
      if (key === undefined) return
      const group = watch(key, atMs)
      const value = valueOf(fields, of)
      if (value !== undefined && quiet) group.values.put(value, seenAgain(group.values.get(value), atMs, history))
    },
    prime(key, { atMs, seen }) {
      if (!seen) return
      const group = watch(key, atMs - learning)
      const lastDay = Math.floor(atMs / dayMs) - 1
      for (const value of seen)
        group.values.put(value.toLowerCase(), { days: known_when.distinct_days, lastDay, lastMs: atMs })
    },
    snapshot: () =>
      [...groups.entries()].map(([key, { sinceMs, values }]) => [key, sinceMs, [...values.entries()].map(packed)]),
    restore(state) {
      groups.clear()
      for (const [key, sinceMs, values] of state as unknown as readonly PackedGroup[]) {
        const group = { sinceMs, values: recent<Sight>({ countMax: valuesMax }) }
        for (const [value, days, lastDay, lastMs] of values) group.values.put(value, { days, lastDay, lastMs })
        groups.put(key, group)
      }
    },
    evicted: () => groups.evicted,
  }
}

type PackedGroup = readonly [string, number, readonly (readonly [string, number, number, number])[]]

const packed = ([value, { days, lastDay, lastMs }]: [string, Sight]): Json => [value, days, lastDay, lastMs]

function valueOf(fields: Fields, of: string): string | undefined {
  const value = fields[of]
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 256).toLowerCase() : undefined
}

function seenAgain(before: Sight | undefined, atMs: number, history: number): Sight {
  const day = Math.floor(atMs / dayMs)
  if (before === undefined || atMs - before.lastMs > history) return { days: 1, lastDay: day, lastMs: atMs }
  return {
    days: before.days + (day > before.lastDay ? 1 : 0),
    lastDay: Math.max(day, before.lastDay),
    lastMs: Math.max(atMs, before.lastMs),
  }
}
