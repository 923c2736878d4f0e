import { describe, expect, it } from 'vitest'
import { cycle, nearDuplicates, repeatCount } from '../../../src/detection/repeats.ts'
import { firstSeen } from '../../../src/detection/seen.ts'
import { robustZ } from '../../../src/detection/spike.ts'
import type { Feature } from '../../../src/detection/feature.ts'
import { recent } from '../../../src/detection/recent.ts'
import { watermark } from '../../../src/detection/merge.ts'
import type { Json, JsonObject } from '../../../src/ports/json.ts'

const dayMs = 86_400_000

function step(feature: Feature, fields: JsonObject, atMs = 0, quiet = true): Json | undefined {
  const found = feature.read(fields, atMs, 'mcp_tool_result')
  feature.learn(fields, atMs, quiet)
  return found['f']
}

describe('robust_z', () => {
  const spike = () =>
    robustZ('f', {
      type: 'robust_z',
      of: 'x',
      by: ['tenant.id'],
      transform: 'none',
      method: 'median_mad',
      min_samples: 5,
      floor_mad: 0.5,
    })
  const feed = (feature: Feature, values: readonly number[], quiet = true) =>
    values.map((x) => step(feature, { 'tenant.id': 't', x }, 0, quiet))

  it('is (x − median) / (1.4826 · MAD)', () => {
    const feature = spike()
    feed(feature, [1, 3, 5, 7, 9])
    expect(feed(feature, [20])[0]).toBeCloseTo((20 - 5) / (1.4826 * 2), 12)
  })

  it('is null before there are enough samples, and never 0', () => {
    expect(feed(spike(), [1, 1, 1, 1, 1, 1])).toEqual([null, null, null, null, null, 0])
  })

  it('uses the floor when values hardly vary', () => {
    const feature = spike()
    feed(feature, [4, 4, 4, 4, 4])
    expect(feed(feature, [5])[0]).toBeCloseTo(1 / (1.4826 * 0.5), 12)
  })

  it('does not learn from what raised a finding', () => {
    const feature = spike()
    feed(feature, [1, 3, 5, 7, 9])
    feed(
      feature,
      Array.from({ length: 50 }, () => 1_000),
      false,
    )
    expect(feed(feature, [1_000])[0]).toBeGreaterThan(300)
  })

  it('keeps five hundred samples', () => {
    const feature = spike()
    feed(
      feature,
      Array.from({ length: 700 }, (_, index) => index),
    )
    expect((feature.snapshot() as unknown as [string, number[]][])[0]?.[1]).toHaveLength(500)
  })

  it('has no field for a group or a value that is missing', () => {
    expect(spike().read({ 'tenant.id': 't' }, 0, 'mcp_egress')).toEqual({})
    expect(spike().read({ x: 'much' }, 0, 'mcp_egress')).toEqual({})
  })
})

describe('first_seen', () => {
  const seen = () =>
    firstSeen('f', {
      type: 'first_seen',
      of: 'd',
      by: ['tenant.id'],
      history: 30 * dayMs,
      learning: 7 * dayMs,
      known_when: { distinct_days: 2 },
    })
  const at = (feature: Feature, day: number, d: string, quiet = true) =>
    step(feature, { 'tenant.id': 't', d }, day * dayMs, quiet)

  it('is null while it still learns', () => {
    const feature = seen()
    expect([at(feature, 0, 'a'), at(feature, 6.9, 'a'), at(feature, 7, 'b')]).toEqual([null, null, true])
  })

  it('is false once a value was used on two days', () => {
    const feature = seen()
    at(feature, 0, 'x')
    expect([at(feature, 8, 'a'), at(feature, 8.5, 'a'), at(feature, 9, 'a'), at(feature, 10, 'A')]).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  it('learns no value from what raised a finding', () => {
    const feature = seen()
    at(feature, 0, 'x')
    for (const day of [8, 9, 10, 11]) at(feature, day, 'a', false)
    expect(at(feature, 12, 'a')).toBe(true)
  })

  it('begins to watch a tenant with its first event, even without a value', () => {
    const feature = seen()
    step(feature, { 'tenant.id': 't' }, 0)
    expect(at(feature, 7, 'a')).toBe(true)
  })

  it('keeps tenants apart', () => {
    const feature = seen()
    at(feature, 0, 'x')
    expect(step(feature, { 'tenant.id': 'u', d: 'a' }, 20 * dayMs)).toBeNull()
  })
})

describe('repeat_count', () => {
  const repeats = () =>
    repeatCount('f', { type: 'repeat_count', of: ['tool', 'hash'], by: ['session.id'], window: 1_000 })
  const call = (feature: Feature, hash: string, atMs: number, session = 's') =>
    step(feature, { 'session.id': session, tool: 'x', hash }, atMs)

  it('counts the same thing in the window, wherever it stands', () => {
    const feature = repeats()
    expect([call(feature, 'a', 0), call(feature, 'b', 1), call(feature, 'a', 2), call(feature, 'a', 1_001)]).toEqual([
      1, 1, 2, 2,
    ])
  })

  it('has no field when a part is missing', () => {
    expect(repeats().read({ 'session.id': 's', tool: 'x' }, 0, 'mcp_tool_result')).toEqual({})
  })

  it('forgets idle sessions, and says how many busy ones it had to give up', () => {
    const feature = repeats()
    for (let index = 0; index < 200; index++) call(feature, 'a', index * 10, `s${index}`)
    expect((feature.snapshot() as Json[]).length).toBeLessThan(110)
    for (let index = 0; index < 50_100; index++) call(feature, 'a', 5_000, `t${index}`)
    expect(feature.evicted()).toBe(100)
  })
})

describe('cycle', () => {
  const turning = (steps: string, options = {}) => {
    const feature = cycle('f', {
      type: 'cycle',
      of: ['w'],
      by: ['session.id'],
      min_period: 2,
      max_period: 6,
      min_repeats: 3,
      last: 32,
      ...options,
    })
    return steps
      .split('')
      .map((w, atMs) => step(feature, { 'session.id': 's', w }, atMs))
      .at(-1)
  }

  it.each([
    ['ababab', true],
    ['xyzababab', true],
    ['babab', false],
    ['abcabcabc', true],
    ['aaaaaaaaaa', false],
    ['abcdefabcdefabcdef', true],
    ['abcdefgabcdefgabcdefg', false],
    ['aabaabaab', true],
    ['ababax', false],
  ])('in %s: %s', (steps, expected) => {
    expect(turning(steps)).toBe(expected)
  })
})

describe('near_duplicate_count', () => {
  const count = (hashes: readonly string[]) => {
    const feature = nearDuplicates('f', {
      type: 'near_duplicate_count',
      of: 'h',
      by: ['session.id'],
      hamming: 3,
      window: 1_000,
    })
    return hashes.map((h, atMs) => step(feature, { 'session.id': 's', h }, atMs)).at(-1)
  }

  it('counts hashes that differ in at most three bits', () => {
    expect(count(['0000000000000000', '0000000000000007', 'e000000000000000'])).toBe(2)
    expect(count(['0000000000000000', '000000000000000f'])).toBe(1)
    expect(count(['ffffffffffffffff', '7ffffffffffffffe'])).toBe(2)
  })

  it('ignores what is no simhash', () => {
    expect(count(['nonsense'])).toBeUndefined()
  })
})

describe('recent', () => {
  it('forgets what was used longest ago', () => {
    const map = recent<number>({ countMax: 2 })
    map.put('a', 1)
    map.put('b', 2)
    map.put('a', 3)
    expect(map.put('c', 4)).toEqual(['b', 2])
    expect([...map.entries()]).toEqual([
      ['a', 3],
      ['c', 4],
    ])
    expect([map.size, map.evicted, map.oldest()]).toEqual([2, 1, ['a', 3]])
  })

  it('closes the gap where an entry was taken out', () => {
    const map = recent<number>({ countMax: 9 })
    for (const key of ['a', 'b', 'c']) map.put(key, 0)
    map.delete('b')
    map.delete('c')
    map.put('d', 0)
    map.delete('a')
    expect([...map.entries()].map(([key]) => key)).toEqual(['d'])
  })
})

describe('the watermark', () => {
  it('is the newest event of a lone stream', () => {
    const time = watermark()
    expect([time.saw('a', 100), time.saw('a', 90)]).toEqual([100, 100])
  })

  it('is the slowest of several, less ten seconds, and never goes back', () => {
    const time = watermark()
    time.saw('a', 50_000)
    expect([time.saw('b', 65_000), time.saw('a', 70_000), time.saw('b', 90_000)]).toEqual([50_000, 55_000, 60_000])
  })

  it('stands where it stood after a restart', () => {
    const [before, after] = [watermark(), watermark()]
    before.saw('a', 50_000)
    before.saw('b', 65_000)
    after.restore(before.snapshot())
    expect(after.saw('a', 70_000)).toBe(55_000)
  })

  it('waits for no stream that is idle for half a minute', () => {
    const time = watermark()
    time.saw('a', 0)
    expect(time.saw('b', 30_001)).toBe(30_001)
  })
})
