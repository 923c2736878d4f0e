import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { embeddedDetector, type EmbeddedDetectorParts } from '../../../src/apps/detector.ts'
import type { Engage } from '../../../src/control/command.ts'
import { openRules } from '../../../src/detection/check.ts'
import type { AlertSink } from '../../../src/ports/alert-sink.ts'
import type { StoredRecord } from '../../../src/ports/evidence-log.ts'
import type { Meters } from '../../../src/telemetry/metrics.ts'
import { aReceipt } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'

/** Fires on every gap of a stream, and would close a domain named like the stream. */
function gapRule() {
  const text = `title: Gap
id: 0d6c6a38-52ab-4c3e-a3f1-3d2f4a5b6c41
name: gap
version: 1
status: test
logsource: { product: sluicegate, category: stream_health }
detection: { gap: { stream.event: stream.gap }, condition: gap }
level: high
response:
  - { action: block_egress_domain, target: stream.id, mode: enforce, ttl: 1h, undo: auto, limits: { global: 5/1h }, never: ['%core_vendors%'] }
tests:
  - { name: gap, events: [{ stream.event: stream.gap }], expect: { alerts: 1 } }
  - { name: close, events: [{ stream.event: stream.close }], expect: { alerts: 0 } }
`
  const { set, problems } = openRules([{ file: 'gap.yml', text }])
  if (!set) throw new Error(problems.map(({ message }) => message).join(' '))
  return set
}

function bench({ meters = {}, sinks = [] }: { meters?: Partial<Meters>; sinks?: readonly AlertSink[] } = {}) {
  let follower: (record: StoredRecord) => void = () => undefined
  const follow = (given: typeof follower) => ((follower = given), () => undefined)
  const engage = vi.fn(async (_request: Partial<Engage>, _by: unknown, _id: unknown) => undefined)
  const propose = vi.fn(async (_id: string, _wanted: object, _waitMs: number) => undefined)
  const fault = vi.fn()
  const quiet = new Proxy(meters, { get: (given, name) => Reflect.get(given, name) ?? (() => undefined) })
  const watching = embeddedDetector({
    options: {
      sinks,
      detector: {
        rules: gapRule(),
        lists: { core_vendors: ['core.example'] },
        stages: { default: 'enforce', rules: {} },
      },
    },
    log: { append: async () => aReceipt, follow },
    switchboard: { engage },
    clock: testClock(),
    meters: quiet,
    propose,
    fault,
  } as unknown as EmbeddedDetectorParts)
  let seq = 0
  const tell = (text: string) => follower({ stream: 's', seq: 0, leaf: '', text, durableNs: 0n })
  const gap = (stream: string) =>
    tell(JSON.stringify({ type: 'stream.gap', stream, seq: seq++, tsMs: 1_760_000_000_000 }))
  return { watching, tell, gap, engage, propose, fault }
}

describe('the embedded detector', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('orders what a rule asks for, and spares what a configured list names', () => {
    const { gap, engage, watching } = bench()
    gap('core.example')
    gap('evil.example')
    expect(engage.mock.calls.map(([request]) => request.target)).toEqual(['evil.example'])
    expect(watching.reactions().map(({ engaged }) => engaged.length)).toEqual([0, 1])
  })

  it('goes on by other rules with what it has learned, from the record on that they were put in force at', () => {
    const { gap, engage, watching } = bench()
    const targets = () => engage.mock.calls.map(([request]) => request.target)
    const rules = gapRule()
    const stages = { default: 'enforce', rules: {} } as const
    for (const one of ['a', 'b', 'c']) gap(`${one}.example`)
    const spare = watching.prepare({ rules, stages, lists: { core_vendors: ['d.example'] } })
    gap('d.example')
    expect(targets()).toEqual(['a.example', 'b.example', 'c.example', 'd.example'])
    spare()
    gap('d.example')
    // Five an hour, of which four are used: what was counted by the rules before counts.
    for (const one of ['e', 'f']) gap(`${one}.example`)
    expect(targets().slice(4)).toEqual(['e.example'])
    watching.prepare({ rules, stages: { default: 'off', rules: {} }, lists: {} })()
    gap('g.example')
    expect(watching.reactions()).toHaveLength(7)
  })

  it.each([
    ['a record it cannot read', { tell: '{' }],
    ['an answer that fails', { tell: undefined }],
  ])('follows on after %s, reports it, and is a problem from then on', (_what, { tell: text }) => {
    let broken = text === undefined
    const alert = () => {
      if (broken) throw new Error('no meter')
    }
    const { tell, gap, engage, fault, watching } = bench({ meters: { alert } })
    expect(watching.problem()).toBeUndefined()
    if (text === undefined) gap('one.example')
    else tell(text)
    broken = false
    gap('two.example')
    expect(fault).toHaveBeenCalledTimes(1)
    expect(watching.problem()).toMatch(/failed 1 times/)
    expect(engage.mock.calls.map(([request]) => request.target)).toEqual(['two.example'])
  })

  it('waits less than a second for a silent sink when it is closed, and closes its sinks', async () => {
    const close = vi.fn(async () => undefined)
    const silent: AlertSink = { name: 'silent', deliver: () => new Promise(() => undefined), close }
    const { watching, gap } = bench({ sinks: [silent] })
    gap('evil.example')
    let closed = false
    const closing = watching.close().then(() => (closed = true))
    await vi.advanceTimersByTimeAsync(749)
    expect([closed, close.mock.calls.length]).toEqual([false, 0])
    await vi.advanceTimersByTimeAsync(1)
    await closing
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('is settled only when every alert was handed over', async () => {
    let take = (): void => undefined
    const slow: AlertSink = {
      name: 'slow',
      deliver: () => new Promise((done) => (take = done)),
      close: async () => undefined,
    }
    const { watching, gap } = bench({ sinks: [slow] })
    gap('evil.example')
    let settled = false
    const settling = watching.settled().then(() => (settled = true))
    await vi.advanceTimersByTimeAsync(1)
    expect(settled).toBe(false)
    take()
    await settling
  })

  it('asks a person for what is beyond the limits of a rule', () => {
    const { gap, engage, propose } = bench()
    for (let n = 0; n < 100; n++) gap(`d${n}.example`)
    expect(engage.mock.calls.length).toBeGreaterThan(0)
    expect(propose.mock.calls.length).toBeGreaterThan(0)
    expect(engage.mock.calls.length + propose.mock.calls.length).toBe(100)
    expect(propose.mock.calls[0]?.[1]).toMatchObject({ order: { kind: 'egress' }, unanswered: 'skip' })
  })

  it('keeps the newest reactions, a thousand at most', () => {
    const { watching, gap } = bench()
    for (let n = 0; n < 1_001; n++) gap(`d${n}.example`)
    expect(watching.reactions()).toHaveLength(1_000)
  })
})
