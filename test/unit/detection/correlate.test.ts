import { describe, expect, it } from 'vitest'
import { correlator, type Match } from '../../../src/detection/correlate.ts'
import type { Correlation } from '../../../src/detection/rule.ts'
import type { Json, JsonObject } from '../../../src/ports/json.ts'

let seq = 0
const match = (rule: string, atMs: number, fields: JsonObject = { who: 'a' }): Match => ({
  rule,
  atMs,
  fields,
  origin: { stream: 's', seq: (seq += 1), leaf: `leaf-${seq}`, part: 0 },
})

const shape: Correlation = {
  type: 'temporal',
  rules: ['one', 'two'],
  'group-by': ['who'],
  timespan: 1_000,
  missing: 'skip',
}

describe('temporal', () => {
  it('joins two rules of one group within the time, in any order', () => {
    const join = correlator(shape)
    expect(join.match(match('two', 0))).toEqual([])
    expect(join.match(match('one', 1_000))).toHaveLength(1)
  })

  it('forgets what is older', () => {
    const join = correlator(shape)
    join.match(match('two', 0))
    expect(join.match(match('one', 1_001))).toEqual([])
  })

  it('keeps groups apart', () => {
    const join = correlator(shape)
    join.match(match('two', 0, { who: 'b' }))
    expect(join.match(match('one', 1))).toEqual([])
  })

  it('counts what joins no group', () => {
    const join = correlator(shape)
    expect(join.match(match('one', 0, {}))).toEqual([])
    expect(join.skipped()).toBe(1)
  })
})

describe('temporal_ordered', () => {
  const ordered = { ...shape, type: 'temporal_ordered' } as const

  it('wants the order of the rule list', () => {
    const join = correlator(ordered)
    expect(join.match(match('two', 0))).toEqual([])
    expect(join.match(match('one', 1))).toEqual([])
    expect(join.match(match('two', 2))).toHaveLength(1)
  })
})

describe('event_count and value_count', () => {
  it('count matches in the time', () => {
    const join = correlator({ ...shape, type: 'event_count', condition: { gte: 3 } })
    expect([0, 500, 1_001, 1_200].map((atMs) => join.match(match('one', atMs)).length)).toEqual([0, 0, 0, 1])
  })

  it('count different values', () => {
    const join = correlator({ ...shape, type: 'value_count', condition: { gte: 2, field: 'tool' } })
    expect(['x', 'x', 'y'].map((tool, atMs) => join.match(match('one', atMs, { who: 'a', tool })).length)).toEqual([
      0, 0, 1,
    ])
  })
})

describe('absence', () => {
  const absence = { present: ['one'], absent: ['two'] }
  const awaiting = (grace = 100) => correlator({ ...shape, grace }, absence)

  it('fires once the grace is over, at that time', () => {
    const join = awaiting()
    expect(join.match(match('one', 50))).toEqual([])
    expect(join.watermark(149)).toEqual([])
    expect(join.watermark(500).map(({ atMs, matches }) => [atMs, matches.length])).toEqual([[150, 1]])
    expect(join.watermark(900)).toEqual([])
  })

  it('is cancelled by the other rule before, or within the grace', () => {
    const before = awaiting()
    before.match(match('two', 0))
    before.match(match('one', 1_000))
    const after = awaiting()
    after.match(match('one', 0))
    after.match(match('two', 100))
    expect([before.watermark(9_000), after.watermark(9_000)]).toEqual([[], []])
  })

  it('is not cancelled by what is too old or too late', () => {
    const before = awaiting()
    before.match(match('two', 0))
    before.match(match('one', 1_001))
    const after = awaiting()
    after.match(match('one', 0))
    after.match(match('two', 101))
    expect([before.watermark(9_000).length, after.watermark(9_000).length]).toEqual([1, 1])
  })

  it('fires at once without grace', () => {
    expect(
      awaiting(0)
        .match(match('one', 7))
        .map(({ atMs }) => atMs),
    ).toEqual([7])
  })

  it('still waits after a restart', () => {
    const [before, after] = [awaiting(), awaiting()]
    before.match(match('one', 0))
    after.restore(JSON.parse(JSON.stringify(before.snapshot())) as Json)
    expect(after.watermark(100)).toHaveLength(1)
  })

  it('follows no more groups than it says', () => {
    const join = awaiting()
    for (let index = 0; index < 20_010; index++) join.match(match('one', index, { who: `w${index}` }))
    expect(join.evicted()).toBe(10)
  })
})
