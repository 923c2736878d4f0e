import { createHash } from 'node:crypto'
import type { Json } from '../ports/json.ts'
import type { SequenceNovelty } from './analytic.ts'
import { tenantHabits, twoLargest, type Habits } from './habits.ts'
import { textOf, type Fields } from './event.ts'
import type { Feature } from './feature.ts'
import { startMark, grams } from './grams.ts'
import { recent } from './recent.ts'

const sessionsMax = 100_000
const tenantsMax = 1_000
/** Steps of one session kept for learning; scoring goes on beyond. */
const stepsMax = 64

interface Walk {
  readonly tenant: string
  readonly actor: string
  /** Tools in order, repeats collapsed, the first 64. */
  readonly tools: readonly string[]
  readonly before: readonly [string, string]
  /** The two largest surprisals so far, bits. */
  readonly top: readonly [number, number]
  /** First window of tools that the tenant had never shown, e.g. `A→B→C`. */
  readonly unseen?: string
  readonly lastMs: number
  /** Raised a finding: never learned from. */
  readonly flagged: boolean
}

/**
 * How unlike the tenant's known chains this session's chain of tools is: the share of quiet reference sessions whose chain was strictly less surprising.
 * Surprise is the sum of the two largest −log₂ p so far, p from `grams`. Null until `until_sessions` sessions have been learned.
 * A session is learned once it has been idle for `min_age` without a finding of medium severity or more.
 */
export function chain(name: string, options: SequenceNovelty): Feature {
  const { of, by, known_when, peers, collapse_repeats } = options
  const [groupField, sessionField] = by
  const prefix = name.slice(0, name.lastIndexOf('.') + 1)
  const group = grams({ supportersMin: peers?.min_tenants ?? 1 })
  const tenants = recent<Habits>({ countMax: tenantsMax })
  const walks = recent<Walk>({ countMax: sessionsMax })

  const habitsOf = (tenant: string) => tenants.get(tenant) ?? tenantHabits({ tenant, group, options })
  const keyOf = (fields: Fields) => {
    const [tenant, session] = [fields[groupField], fields[sessionField]]
    return typeof tenant === 'string' && typeof session === 'string'
      ? { tenant, key: `${tenant}\u001f${session}` }
      : undefined
  }

  /** `learn` follows `read` for the same event, so the step is worked out once. */
  let latest: { readonly fields: Fields; readonly next: Next | undefined } | undefined
  function walkOn(fields: Fields, atMs: number): Next | undefined {
    if (latest?.fields !== fields) latest = { fields, next: stepOn(fields, atMs) }
    return latest.next
  }

  function stepOn(fields: Fields, atMs: number): Next | undefined {
    const found = keyOf(fields)
    const tool = fields[of]
    if (!found || typeof tool !== 'string') return undefined
    const walk = walks.get(found.key) ?? firstStep(found.tenant, textOf(fields['actor.id']))
    const lastMs = Math.max(atMs, walk.lastMs)
    if (collapse_repeats && walk.before[1] === tool) return { key: found.key, walk: { ...walk, lastMs } }
    return { key: found.key, walk: { ...stepped(walk, tool, habitsOf(found.tenant)), lastMs } }
  }

  function close(atMs: number): void {
    for (
      let oldest = walks.oldest();
      oldest && atMs - oldest[1].lastMs >= known_when.min_age;
      oldest = walks.oldest()
    ) {
      const [key, walk] = oldest
      walks.delete(key)
      if (walk.flagged) continue
      const habits = habitsOf(walk.tenant)
      habits.learn(walk.tools, walk.actor, walk.lastMs)
      tenants.put(walk.tenant, habits)
    }
  }

  return {
    read(fields, atMs) {
      const next = walkOn(fields, atMs)
      if (!next) return {}
      const { tools, top, unseen, tenant } = next.walk
      return {
        [name]: habitsOf(tenant).shareBelow(top[0] + top[1]),
        [`${prefix}tools`]: tools,
        [`${prefix}hash`]: hashOf(unseen ?? tools.join('→')),
        ...(unseen !== undefined && { [`${prefix}unseen`]: unseen }),
      }
    },
    learn(fields, atMs) {
      const next = walkOn(fields, atMs)
      if (next) walks.put(next.key, next.walk)
      close(atMs)
    },
    flag(fields) {
      const key = keyOf(fields)?.key ?? ''
      const walk = walks.get(key)
      if (walk) walks.put(key, { ...walk, flagged: true })
    },
    watermark: close,
    snapshot: () => ({
      group: group.snapshot(),
      tenants: [...tenants.entries()].map(([tenant, habits]) => [tenant, habits.snapshot()]),
      walks: [...walks.entries()].map(([key, walk]) => [key, walk as unknown as Json]),
    }),
    restore(state) {
      const { group: known, tenants: habits, walks: open } = state as unknown as Packed
      group.restore(known)
      tenants.clear()
      walks.clear()
      for (const [tenant, packed] of habits) tenants.put(tenant, restored(habitsOf(tenant), packed))
      for (const [key, walk] of open) walks.put(key, walk)
    },
    evicted: () => walks.evicted,
  }
}

interface Next {
  readonly key: string
  readonly walk: Walk
}

interface Packed {
  readonly group: Json
  readonly tenants: readonly [string, Json][]
  readonly walks: readonly [string, Walk][]
}

function restored(habits: Habits, state: Json): Habits {
  habits.restore(state)
  return habits
}

function firstStep(tenant: string, actor: string): Walk {
  return { tenant, actor, tools: [], before: [startMark, startMark], top: [0, 0], lastMs: 0, flagged: false }
}

function stepped(walk: Walk, tool: string, habits: Habits): Walk {
  const { before, tools, top } = walk
  const bits = habits.surprisal(before, tool)
  const window = [...before, tool].filter((step) => step !== startMark).join('→')
  const unseen = walk.unseen ?? (habits.knows(before, tool) ? undefined : window)
  return {
    ...walk,
    tools: tools.length < stepsMax ? [...tools, tool] : tools,
    before: [before[1], tool],
    top: twoLargest(top, bits),
    ...(unseen !== undefined && { unseen }),
  }
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16)
