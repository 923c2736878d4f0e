import { describe, expect, it } from 'vitest'
import type { SequenceNovelty } from '../../../src/detection/analytic.ts'
import { chain } from '../../../src/detection/chain.ts'
import type { Feature } from '../../../src/detection/feature.ts'
import { grams, startMark } from '../../../src/detection/grams.ts'
import { tenantHabits } from '../../../src/detection/habits.ts'
import type { Json } from '../../../src/ports/json.ts'

const dayMs = 86_400_000
const options: SequenceNovelty = {
  type: 'sequence_novelty',
  of: 'tool.name',
  by: ['tenant.id', 'session.id'],
  order: 3,
  aggregate: 'top2',
  collapse_repeats: true,
  known_when: { distinct_actors: 2, min_age: dayMs },
  baseline: 30 * dayMs,
  cold_start: { until_sessions: 100, score: null },
}

const start: readonly [string, string] = [startMark, startMark]

describe('grams', () => {
  it('are interpolated Witten-Bell over contexts of none, one and two tools', () => {
    const model = grams({ supportersMin: 1 })
    model.learn(['a', 'b'], 'x', 0)
    model.learn(['a', 'c'], 'y', 0)
    // After nothing: a by two, b and c by one each, the end by two; six in all, four different.
    const p0 = (2 + 4 * 0.1) / (6 + 4)
    // At the start: only a, by two; the context of two marks says the same.
    const p1 = (2 + 1 * p0) / (2 + 1)
    const p2 = (2 + 1 * p1) / (2 + 1)
    expect(model.probability(start, 'a', 0.1)).toBeCloseTo(p2, 12)
  })

  it('stop at the first context nobody showed', () => {
    const model = grams({ supportersMin: 1 })
    model.learn(['a'], 'x', 0)
    const none = (0 + 2 * 0.1) / (2 + 2)
    expect(model.probability(['q', 'q'], 'z', 0.1)).toBeCloseTo(none, 12)
  })

  it('count actors, not sessions', () => {
    const model = grams({ supportersMin: 2 })
    for (let session = 0; session < 200; session++) model.learn(['a', 'b'], 'one', session)
    expect(model.knows(start, 'a')).toBe(false)
    model.learn(['a'], 'two', 0)
    expect([model.knows(start, 'a'), model.knows([startMark, 'a'], 'b')]).toEqual([true, false])
  })

  it('forget support that nobody renewed', () => {
    const model = grams({ supportersMin: 1 })
    model.learn(['a'], 'x', 1)
    model.learn(['b'], 'x', 9)
    model.forgetBefore(5)
    expect([model.knows(start, 'a'), model.knows(start, 'b'), model.vocabularySize()]).toEqual([false, true, 1])
  })

  it('come back from a snapshot as they were', () => {
    const [model, other] = [grams({ supportersMin: 1 }), grams({ supportersMin: 1 })]
    model.learn(['a', 'b', 'c'], 'x', 1)
    other.restore(JSON.parse(JSON.stringify(model.snapshot())) as Json)
    expect(other.probability([startMark, 'a'], 'b', 0.02)).toBe(model.probability([startMark, 'a'], 'b', 0.02))
  })

  it('keep no more pairs than they say', () => {
    const model = grams({ supportersMin: 1 })
    for (let step = 0; step < 8_000; step++) model.learn([`tool-${step}`], 'x', 0)
    const pairs = (model.snapshot() as unknown as [string, unknown[]][]).reduce(
      (sum, [, followers]) => sum + followers.length,
      0,
    )
    expect(pairs).toBe(20_000)
  })
})

/** Steps through one session, as the fold would. */
function walk(feature: Feature, session: string, actor: string, tools: readonly string[], atMs: number) {
  return tools.map((tool, step) => {
    const fields = { 'tenant.id': 't1', 'session.id': session, 'actor.id': actor, 'tool.name': tool }
    const found = feature.read(fields, atMs + step, 'mcp_tool_invoke')
    feature.learn(fields, atMs + step, true)
    return found
  })
}

/** A chain feature that saw so many quiet sessions of `a → b` by three actors, the last one a day ago at day 20. */
function trained(sessions = 120) {
  const feature = chain('chain.novelty_score', options)
  for (let index = 0; index < sessions; index++)
    walk(feature, `q${index}`, `actor-${index % 3}`, ['a', 'b'], Math.floor((index * 18 * dayMs) / sessions))
  feature.watermark?.(20 * dayMs)
  return feature
}

describe('chain novelty', () => {
  const nowMs = 20 * dayMs

  it('is null until enough sessions were learned', () => {
    expect(walk(trained(99), 's', 'x', ['z'], nowMs)[0]?.['chain.novelty_score']).toBeNull()
    expect(walk(trained(100), 's', 'x', ['z'], nowMs)[0]?.['chain.novelty_score']).toBe(1)
  })

  it('is low for what everyone does and high for what nobody does', () => {
    const scores = (tools: string[]) =>
      walk(trained(), 's', 'x', tools, nowMs).map((found) => found['chain.novelty_score'])
    expect(scores(['a', 'b'])).toEqual([0, 0])
    expect(scores(['a', 'z'])).toEqual([0, 1])
  })

  it('names the first window the tenant never showed, and keeps to it', () => {
    const found = walk(trained(), 's', 'x', ['a', 'b', 'z', 'a'], nowMs)
    expect(found.map((one) => one['chain.unseen'])).toEqual([undefined, undefined, 'a→b→z', 'a→b→z'])
    expect(found[3]?.['chain.hash']).toBe(found[2]?.['chain.hash'])
  })

  it('sees a repeated call as one step', () => {
    const found = walk(trained(), 's', 'x', ['a', 'a', 'a', 'b'], nowMs)
    expect(found[3]?.['chain.tools']).toEqual(['a', 'b'])
  })

  it('learns nothing from a session that raised a finding', () => {
    const feature = trained()
    for (let index = 0; index < 20; index++) {
      walk(feature, `bad${index}`, `actor-${index % 5}`, ['x', 'y'], nowMs)
      feature.flag?.({ 'tenant.id': 't1', 'session.id': `bad${index}` })
    }
    feature.watermark?.(nowMs + 2 * dayMs)
    expect(walk(feature, 's', 'z', ['x', 'y'], nowMs + 2 * dayMs)[1]?.['chain.unseen']).toBe('x')
  })

  it('cannot be dulled by one actor with any number of odd sessions', () => {
    const feature = trained()
    for (let index = 0; index < 400; index++)
      walk(feature, `odd${index}`, 'mallory', [`n${index % 7}`, 'a', `m${index % 5}`], 20 * dayMs + index * 3_600_000)
    feature.watermark?.(45 * dayMs)
    expect(walk(feature, 's', 'x', ['never', 'seen'], 45 * dayMs)[1]?.['chain.novelty_score']).toBe(1)
  })

  it('gives up the oldest open sessions when there are too many', () => {
    const feature = chain('chain.novelty_score', options)
    for (let index = 0; index < 100_050; index++) walk(feature, `s${index}`, 'x', ['a'], index)
    expect(feature.evicted()).toBe(50)
  })

  it('learns from peers only what enough tenants show', () => {
    const peers = { ...options, peers: { tenants: true as const, weight: 0.5, min_tenants: 3 } }
    const group = grams({ supportersMin: 3 })
    const learned = (tenant: string) => {
      const habits = tenantHabits({ tenant, group, options: peers })
      habits.learn(['a'], 'x', 0)
      habits.learn(['a'], 'y', 0)
    }
    const stranger = tenantHabits({ tenant: 'new', group, options: peers })
    learned('t1')
    learned('t2')
    const alone = stranger.surprisal(start, 'a')
    learned('t3')
    expect(alone).toBeCloseTo(Math.log2(50), 9)
    expect(stranger.surprisal(start, 'a')).toBeLessThan(alone)
  })
})
