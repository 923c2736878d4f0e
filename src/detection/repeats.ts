import type { Json } from '../ports/json.ts'
import type { Cycle, NearDuplicateCount, RepeatCount } from './analytic.ts'
import type { Fields } from './event.ts'
import { groupOf, type Feature } from './feature.ts'
import { recent } from './recent.ts'

/** Sessions (or narrower groups) followed at once. */
const groupsMax = 50_000
/** Newest steps remembered per group. A loop with more other steps between its turns is not seen. */
const stepsMax = 64

interface Step {
  readonly what: string
  readonly atMs: number
}

type Judge = (steps: readonly Step[], current: Step) => Json

/** The newest steps of each group, and a verdict over them. A group idle for `idleMs` is forgotten. */
function following(
  name: string,
  by: readonly string[],
  whatOf: (fields: Fields) => string | undefined,
  idleMs: number,
  judge: Judge,
): Feature {
  const groups = recent<readonly Step[]>({ countMax: groupsMax })

  const stepOf = (fields: Fields, atMs: number) => {
    const key = groupOf(fields, by)
    const what = whatOf(fields)
    return key === undefined || what === undefined ? undefined : { key, step: { what, atMs } }
  }

  const forgetIdle = (atMs: number) => {
    for (
      let oldest = groups.oldest();
      oldest && atMs - (oldest[1].at(-1)?.atMs ?? 0) > idleMs;
      oldest = groups.oldest()
    )
      groups.delete(oldest[0])
  }

  return {
    read(fields, atMs) {
      const current = stepOf(fields, atMs)
      return current ? { [name]: judge(groups.get(current.key) ?? [], current.step) } : {}
    },
    learn(fields, atMs) {
      const current = stepOf(fields, atMs)
      if (current) groups.put(current.key, [...(groups.get(current.key) ?? []).slice(1 - stepsMax), current.step])
      forgetIdle(atMs)
    },
    watermark: forgetIdle,
    snapshot: () => [...groups.entries()].map(([key, steps]) => [key, steps.map(({ what, atMs }) => [what, atMs])]),
    restore(state) {
      groups.clear()
      for (const [key, steps] of state as unknown as readonly [string, readonly [string, number][]][])
        groups.put(
          key,
          steps.map(([what, atMs]) => ({ what, atMs })),
        )
    },
    evicted: () => groups.evicted,
  }
}

/** How often the very same thing (a tool with these arguments and this result) happened within the window, this time included. */
export function repeatCount(name: string, { of, by, window }: RepeatCount): Feature {
  return following(
    name,
    by,
    (fields) => groupOf(fields, of),
    window,
    (steps, { what, atMs }) => {
      let count = 1
      for (const step of steps) if (step.what === what && atMs - step.atMs < window) count += 1
      return count
    },
  )
}

/** A cycle is a matter of minutes; a session that did nothing for an hour starts afresh. */
const cycleIdleMs = 3_600_000

/** True when the newest steps are `min_repeats` turns of one cycle of `min_period` to `max_period` different steps. */
export function cycle(name: string, { of, by, min_period, max_period, min_repeats, last }: Cycle): Feature {
  return following(
    name,
    by,
    (fields) => groupOf(fields, of),
    cycleIdleMs,
    (steps, current) => {
      const newest = [...steps.slice(1 - last), current].map(({ what }) => what)
      for (let period = min_period; period <= max_period; period++) if (turns(newest, period, min_repeats)) return true
      return false
    },
  )
}

function turns(steps: readonly string[], period: number, repeats: number): boolean {
  const start = steps.length - period * repeats
  if (start < 0) return false
  for (let at = start + period; at < steps.length; at++) if (steps[at] !== steps[at - period]) return false
  return steps.slice(start + 1, start + period).some((step) => step !== steps[start])
}

/** How many values within the window differ from this one in at most `hamming` bits, this one included. Values are 64-bit simhashes, 16 hex. */
export function nearDuplicates(name: string, { of, by, hamming, window }: NearDuplicateCount): Feature {
  const simhash = (fields: Fields) => {
    const value = fields[of]
    return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value) ? value : undefined
  }
  return following(name, by, simhash, window, (steps, { what, atMs }) => {
    let count = 1
    for (const step of steps) if (atMs - step.atMs < window && differingBits(step.what, what) <= hamming) count += 1
    return count
  })
}

function differingBits(one: string, other: string): number {
  if (one === other) return 0
  const high = Number.parseInt(one.slice(0, 8), 16) ^ Number.parseInt(other.slice(0, 8), 16)
  const low = Number.parseInt(one.slice(8), 16) ^ Number.parseInt(other.slice(8), 16)
  return bitsOf(high) + bitsOf(low)
}

/** Bits set in 32, counted in parallel (Warren, Hacker's Delight, §5-1). */
function bitsOf(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
