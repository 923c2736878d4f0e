import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DetectionEvent } from '../../src/detection/event.ts'
import { detector } from '../../src/detection/fold.ts'
import { compileSelection } from '../../src/detection/select.ts'
import type { Json, JsonObject } from '../../src/ports/json.ts'
import { noonMs } from '../detections/events.ts'
import { shippedRules } from '../detections/shipped-rules.ts'

const rules = shippedRules()
const fold = () => detector({ rules, stages: { default: 'enforce', rules: {} } })

const pick = <T extends Json>(...values: T[]) => fc.constantFrom(...values)

/** Events near the edges of the shipped rules, so that many of them fire. */
const someFields = fc.record(
  {
    'tenant.id': pick('t1', 't2'),
    'session.id': pick('s1', 's2', 's3', 's4'),
    'actor.id': pick('a1', 'a2'),
    'actor.type': pick('agent', 'user'),
    'tool.name': pick('orders.export', 'flag.set', 'web.fetchSafe'),
    'tool.effect': pick('read', 'write', 'egress'),
    'policy.decision': pick('allow', 'deny'),
    'args.hash': pick('h1', 'h2'),
    'result.hash': pick('r1', 'r2'),
    'args.simhash': pick('00000000000000ff', '00000000000000f0'),
    'call.retry': fc.integer({ min: 0, max: 12 }),
    'plan.depth': fc.integer({ min: 0, max: 14 }),
    'taint.sink.tainted': fc.boolean(),
    'taint.sink.source_markers': fc.integer({ min: 0, max: 2 }),
    'taint.sink.value_hash': pick('v1', 'v2', 'v3'),
    'chain.novelty_score': pick(0.2, 0.96, 1),
    'egress.registrable_domain': pick('a.example', 'b.example'),
    'egress.bytes_out': pick(100, 70_000, 5_000_000),
    'egress.bytes_z': pick(0, 7, 30),
    'egress.domain_first_seen': fc.boolean(),
    'token.jti': pick('j1', 'j2'),
    'scope.grants': pick(['write:x'], ['read:x']),
    ttl_sec: pick(600, 3_600),
    'grant.change': pick('added'),
    'grant.issued_by': pick('issuer', 'gateway'),
    'grant.subject': pick('a1', 'a2'),
    'grant.id': pick('a1/x'),
    'grant.scope': pick('crm:*', 'orders.read'),
    'ticket.subject': pick('a1', 'a2'),
    'ticket.state': pick('approved'),
  },
  { requiredKeys: ['tenant.id', 'session.id'] },
)

const kinds = ['mcp_tool_invoke', 'mcp_tool_result', 'mcp_egress', 'grant_change', 'change_ticket'] as const

const streams = fc
  .array(
    fc.tuple(
      fc.constantFrom(...kinds),
      fc.oneof(fc.integer({ min: 0, max: 6_000 }), fc.integer({ min: 0, max: 600_000 })),
      someFields,
      pick('one', 'two'),
    ),
    {
      minLength: 30,
      maxLength: 60,
    },
  )
  .map((drafts) => {
    let atMs = noonMs
    return drafts.map(([kind, gapMs, fields, stream], seq): DetectionEvent => {
      atMs += gapMs
      return { kind, atMs, origin: { stream, seq, leaf: `leaf-${seq}`, part: 0 }, fields }
    })
  })

const told = (events: readonly DetectionEvent[], judge = fold()) =>
  events.map((event) => JSON.stringify(judge.step(event)))

describe('the detector', () => {
  it('fires many of its rules on these events, or the laws below would say little', () => {
    const found = fc.sample(streams, { numRuns: 60, seed: 7 }).flatMap((events) => {
      const judge = fold()
      return events.flatMap((event) => judge.step(event)).map(({ alert }) => alert.rule)
    })
    expect([...new Set(found)].sort()).toEqual([
      'exfil_new_vendor_spike',
      'long_token_write',
      'loop_arrest',
      'novel_tool_chain',
      'scope_drift',
      'scope_drift_own_grant',
      'tainted_sink',
    ])
  })

  it('finds the same in the same events', () => {
    fc.assert(
      fc.property(streams, (events) => {
        expect(told(events)).toEqual(told(events))
      }),
      { numRuns: 60 },
    )
  })

  it('finds the same wherever it was stopped and restored', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 29 }), { minLength: 2, maxLength: 5 })
    fc.assert(
      fc.property(streams, cuts, (events, places) => {
        let judge = fold()
        const found = events.map((event, index) => {
          if (places.includes(index)) judge = carriedOver(judge)
          return JSON.stringify(judge.step(event))
        })
        expect(found).toEqual(told(events))
      }),
      { numRuns: 60, endOnFailure: true },
    )
  })

  it('finds nothing more in events that come again', () => {
    fc.assert(
      fc.property(streams, (events) => {
        const judge = fold()
        const once = told(events, judge)
        expect(told(events, judge).every((found) => found === '[]')).toBe(true)
        const twice = fold()
        expect(events.map((event) => [JSON.stringify(twice.step(event)), twice.step(event).length])).toEqual(
          once.map((found) => [found, 0]),
        )
      }),
      { numRuns: 40 },
    )
  })

  it('gives every alert an id of its own, and an incident one dedupe key', () => {
    fc.assert(
      fc.property(streams, (events) => {
        const judge = fold()
        const alerts = events.flatMap((event) => judge.step(event)).map(({ alert }) => alert)
        expect(new Set(alerts.map(({ id }) => id)).size).toBe(alerts.length)
        expect(
          alerts.every(({ dedupeKey, summary }) => /^[0-9a-f]{32}$/.test(dedupeKey) && summary.length <= 120),
        ).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('takes any values without throwing', () => {
    const anything = fc.record(
      {
        'tenant.id': fc.jsonValue(),
        'session.id': fc.jsonValue(),
        'tool.name': fc.jsonValue(),
        'egress.bytes_out': fc.jsonValue(),
        'args.simhash': fc.jsonValue(),
        'taint.sink.value_hash': fc.jsonValue(),
        'args.identifiers': fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...kinds), anything), { maxLength: 20 }), (drafts) => {
        const judge = fold()
        drafts.forEach(([kind, fields], seq) =>
          judge.step({
            kind,
            atMs: noonMs + seq,
            origin: { stream: 'x', seq, leaf: '', part: 0 },
            fields: fields as JsonObject,
          }),
        )
      }),
      { numRuns: 100 },
    )
  })
})

function carriedOver(before: ReturnType<typeof fold>): ReturnType<typeof fold> {
  const after = fold()
  after.restore(JSON.parse(JSON.stringify(before.snapshot())) as JsonObject)
  return after
}

describe('a selection', () => {
  it('matches a text that is quoted literally, whatever its case', () => {
    const escaped = (text: string) => text.replace(/[\\*?]/g, '\\$&')
    const text = fc.string({ maxLength: 30 }).filter((one) => one === one.toLowerCase())
    fc.assert(
      fc.property(text, (one) => {
        expect(compileSelection({ field: escaped(one) }, {}).test(() => one)).toBe(true)
      }),
    )
  })

  it('contains what starts or ends it', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{1,10}$/), fc.stringMatching(/^[a-z]{0,10}$/), (part, rest) => {
        const test = (modifier: string, value: string) =>
          compileSelection({ [`field|${modifier}`]: part }, {}).test(() => value)
        expect([
          test('startswith', part + rest),
          test('endswith', rest + part),
          test('contains', rest + part + rest),
        ]).toEqual([true, true, true])
      }),
    )
  })
})
