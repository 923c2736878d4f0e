import { setTimeout as after } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { spansOfTraces } from '../../src/telemetry/span-file.ts'
import { rollouts, type Bench } from '../support/rollouts.ts'
import { until } from '../support/until.ts'

const steps = (records: readonly EvidenceRecord[]) => records.map(({ ext }) => ext?.['step'])
const guards = (records: readonly EvidenceRecord[]) =>
  records.filter(({ actor }) => actor?.id === 'gateway:rollout-guard')

const settled = (bench: Bench) =>
  until(() => bench.gate.started.gateway.rollouts.watches().length === 0, 'all watches to end')

describe('a flag raised above 10 %', () => {
  it('is set back once when its errors spike: by the gateway itself, in evidence, with one page and a count', async () => {
    await using bench = await rollouts()
    await bench.set('express', 10)
    const raised = await bench.set('express', 50)
    expect(raised.ended).toBe('ok')
    await settled(bench)
    await until(() => bench.pages.length > 0, 'a page')

    expect(await bench.pctOf('express')).toBe(10)
    expect(bench.writes('express')).toHaveLength(3)
    const records = await bench.gate.records()
    const raise = records.find(({ type, ext }) => type === 'rollout.watch' && ext?.['step'] === 'begun')
    const [intent, outcome, ...rest] = guards(records)
    expect(rest).toEqual([])
    expect([intent?.type, outcome?.type, outcome?.result?.status]).toEqual(['call.intent', 'call.outcome', 'ok'])
    expect(intent).toMatchObject({
      actor: { type: 'service' },
      tool: { name: 'flag.set', effect: 'write' },
      traceId: raise?.traceId as string,
    })
    expect(outcome?.req).toBe(intent?.req)
    expect(bench.writes('express')[2]?.operationId).toBe(intent?.idem?.keyDigest)
    expect(steps(await bench.records('rollout.watch'))).toEqual(['begun', 'rolling back', 'rolled back'])

    expect(bench.pages).toHaveLength(1)
    expect(bench.pages[0]).toMatchObject({
      rule: 'rollout_guard',
      severity: 'high',
      summary: 'Rollout rolled back: express in staging, 50 % back to 10 %',
      runbook: 'docs/runbooks/rollout-rollback.md',
      trace: raise?.traceId,
    })
    expect(bench.pages[0]?.evidence.length).toBeGreaterThan(0)
    const alerts = (await bench.records('alert')).filter(({ ext }) => ext?.['rule'] === 'rollout_guard')
    expect(alerts).toHaveLength(1)
    const metrics = await bench.gate.started.gateway.admin.metrics()
    expect(metrics).toMatch(/sluicegate_rollouts_total\{[^}]*result="rolled back"[^}]*\} 1/)
  })

  it('shows each look and each rollback as a span of the raise’s trace, the rollback’s under the id that its records name', async () => {
    await using bench = await rollouts()
    await bench.set('express', 10)
    await bench.set('express', 50)
    await settled(bench)
    const records = await bench.gate.records()
    const [intent, outcome] = guards(records)
    const raise = records.findLast(({ type, actor }) => type === 'call.outcome' && actor?.type === 'agent')
    const written = async () => {
      await bench.gate.started.gateway.flush()
      return guardSpans(bench.data, raise?.traceId ?? '')
    }
    await until(async () => (await written()).length > 2, 'the spans')
    const own = await written()
    expect(new Set(own.map(({ name, parentSpanId }) => `${name} ${parentSpanId}`))).toEqual(
      new Set([`service.api.call ${raise?.spanId}`]),
    )
    const [rollback, ...others] = own.filter(({ attributes }) => attributes['http.request.method'] === 'PUT')
    expect(others).toEqual([])
    expect([intent?.spanId, outcome?.spanId]).toEqual([rollback?.spanId, rollback?.spanId])
    expect(rollback?.attributes).toMatchObject({
      'actor.type': 'service',
      'tool.name': 'flag.set',
      'tenant.id': 'acme',
      'idem.key': intent?.idem?.keyDigest,
      'policy.decision': 'allow',
    })
  })

  it('stays where it is when nothing goes wrong, and is not watched for longer than its time', async () => {
    await using bench = await rollouts({ watchSeconds: 0.6 })
    await bench.set('fine', 10)
    await bench.set('fine', 50)
    await settled(bench)
    expect(await bench.pctOf('fine')).toBe(50)
    expect(steps(await bench.records('rollout.watch'))).toEqual(['begun', 'kept'])
    expect([bench.pages, guards(await bench.gate.records())]).toEqual([[], []])
  })

  it('stays where it is when errors are many in few requests, and the record says that nobody can tell', async () => {
    await using bench = await rollouts({ watchSeconds: 0.6 })
    bench.traffic.requestsPerS = 15
    await bench.set('express', 10)
    await bench.set('express', 50)
    await settled(bench)
    expect(await bench.pctOf('express')).toBe(50)
    expect(steps(await bench.records('rollout.watch'))).toEqual(['begun', 'quiet'])
  })

  it('is judged by what failed before the raise: a service that always failed a little is not blamed on the flag', async () => {
    await using bench = await rollouts({ watchSeconds: 0.6 })
    bench.traffic.errorRate = 0.3
    bench.traffic.broken = { express: { abovePct: 10, errorRate: 0.35 } }
    await bench.set('express', 10)
    await after(400)
    await bench.set('express', 50)
    await settled(bench)
    expect(await bench.pctOf('express')).toBe(50)
  })

  it('is not watched at 10 % or below, and not where configuration names no environment', async () => {
    await using bench = await rollouts()
    await bench.set('express', 10)
    await bench.set('express', 50, { env: 'dev' })
    expect(bench.gate.started.gateway.rollouts.watches()).toEqual([])
    expect(await bench.records('rollout.watch')).toEqual([])
  })

  it('goes back to the value before the first of two raises', async () => {
    await using bench = await rollouts()
    bench.traffic.broken = { express: { abovePct: 40, errorRate: 0.6 } }
    await bench.set('express', 5)
    await bench.set('express', 25)
    await after(150)
    await bench.set('express', 75)
    await settled(bench)
    expect(await bench.pctOf('express')).toBe(5)
    expect(guards(await bench.records('call.intent'))).toHaveLength(1)
  })

  it('ends its watch when somebody lowers it, and is left where they put it', async () => {
    await using bench = await rollouts()
    await bench.set('fine', 10)
    await bench.set('fine', 50)
    await bench.set('fine', 7)
    bench.traffic.errorRate = 0.9
    await settled(bench)
    expect(await bench.pctOf('fine')).toBe(7)
    expect(steps(await bench.records('rollout.watch'))).toEqual(['begun', 'lowered'])
  })

  it('is watched from the percentage it ends at, whatever order twenty raises at once come in', async () => {
    await using bench = await rollouts()
    bench.traffic.broken = {}
    await bench.set('many', 10)
    const raises = Array.from({ length: 20 }, (_, at) => bench.set('many', 20 + at))
    expect((await Promise.all(raises)).map(({ ended }) => ended)).toEqual(raises.map(() => 'ok'))
    const [watch, ...others] = bench.gate.started.gateway.rollouts.watches()
    expect(others).toEqual([])
    expect(watch).toMatchObject({ fromPct: 10, toPct: await bench.pctOf('many') })
    bench.traffic.errorRate = 0.9
    await settled(bench)
    expect(await bench.pctOf('many')).toBe(10)
    expect(guards(await bench.records('call.intent'))).toHaveLength(1)
  })

  it('is watched on by the next process, and set back by it', async () => {
    await using bench = await rollouts()
    bench.traffic.broken = {}
    await bench.set('fine', 10)
    await bench.set('fine', 50)
    await bench.stop()
    bench.traffic.errorRate = 0.9
    await bench.start()
    expect(bench.gate.started.gateway.rollouts.watches()).toMatchObject([{ fromPct: 10, toPct: 50 }])
    await settled(bench)
    expect(await bench.pctOf('fine')).toBe(10)
    await bench.restart()
    expect(bench.gate.started.gateway.rollouts.watches()).toEqual([])
  })

  it('is set back after the service refused three times, under one operation id, with a page before and one after', async () => {
    await using bench = await rollouts()
    bench.traffic.broken = {}
    await bench.set('express', 10)
    let refuses = 1
    bench.faults.failOn = (request) => request === 'PUT /flags/express/staging' && refuses-- > 0
    bench.faults.failStatus = 500
    const raised = await bench.set('express', 50)
    // Nobody knows whether that raise happened; it did not. The next one does.
    expect(raised.ended).toBe('outcome_unknown')
    expect((await bench.set('express', 50)).ended).toBe('ok')
    refuses = 3
    bench.traffic.broken = { express: { abovePct: 10, errorRate: 0.6 } }
    await settled(bench)
    await until(() => bench.pages.length > 1, 'two pages')
    expect(await bench.pctOf('express')).toBe(10)
    const attempts = guards(await bench.records('call.outcome'))
    expect(attempts.map(({ result }) => result?.errCode ?? 'ok')).toEqual(['http_500', 'http_500', 'http_500', 'ok'])
    expect(new Set(attempts.map(({ idem }) => idem?.keyDigest)).size).toBe(1)
    expect(bench.pages.map(({ severity }) => severity).toSorted()).toEqual(['critical', 'high'])
    expect(new Set(bench.pages.map(({ dedupeKey }) => dedupeKey)).size).toBe(1)
  })

  it('goes on being set back by the next process when this one ends before the service does it', async () => {
    await using bench = await rollouts()
    bench.traffic.broken = {}
    await bench.set('express', 10)
    await bench.set('express', 50)
    bench.faults.failOn = (request) => request.startsWith('PUT')
    bench.traffic.broken = { express: { abovePct: 10, errorRate: 0.6 } }
    await until(() => bench.pages.length > 0, 'the first failure')
    expect(await bench.gate.started.gateway.admin.metrics()).toMatch(
      /sluicegate_rollouts_open\{[^}]*kind="rolling back"[^}]*\} 1/,
    )
    await bench.restart()
    expect(bench.gate.started.gateway.rollouts.watches()).toMatchObject([{ rollingBack: 'spike' }])
    expect((await bench.set('express', 60)).structured).toMatchObject({ denied: { code: 'policy_denied' } })
    delete bench.faults.failOn
    await settled(bench)
    expect(await bench.pctOf('express')).toBe(10)
  })

  it.each([
    ['rollback', 10, 'Rollout rolled back'],
    ['hold', 50, 'Rollout cannot be seen'],
  ] as const)('meets configuration when nobody can see how it is doing: %s', async (whenBlind, pct, title) => {
    await using bench = await rollouts({ whenBlind })
    await bench.set('fine', 10)
    await bench.set('fine', 50)
    bench.faults.failOn = (request) => request.includes('/health')
    await until(() => bench.pages.length > 0, 'a page')
    delete bench.faults.failOn
    expect(await bench.pctOf('fine')).toBe(pct)
    expect(bench.pages.map((page) => page.title)).toEqual([title])
  })

  it('is refused where a raise that cannot be watched is, and nothing is written; else it is told', async () => {
    for (const unwatched of ['refuse', 'allow'] as const) {
      await using bench = await rollouts({ unwatched })
      await bench.set('fine', 10)
      bench.faults.failOn = (request) => request.includes('/health')
      const saw = await bench.set('fine', 50)
      delete bench.faults.failOn
      expect(saw.ended).toBe(unwatched === 'refuse' ? 'policy_denied' : 'ok')
      expect(await bench.pctOf('fine')).toBe(unwatched === 'refuse' ? 10 : 50)
      if (unwatched === 'refuse') continue
      await until(() => bench.pages.length > 0, 'a page')
      expect(bench.pages.map(({ title }) => title)).toEqual(['Rollout is not watched'])
      expect(steps(await bench.records('rollout.watch'))).toEqual(['unwatched'])
    }
  })

  it('takes a small step first, and stays there for a while, where configuration asks for that', async () => {
    await using bench = await rollouts({ firstStep: { envs: ['staging'], holdSeconds: 3600 } })
    const first = await bench.set('fine', 50)
    expect([first.ended, first.text]).toEqual(['policy_denied', expect.stringContaining('at most 10 % first')])
    expect((await bench.set('fine', 10)).ended).toBe('ok')
    expect((await bench.set('fine', 50)).ended).toBe('policy_denied')
    await bench.restart({ firstStep: { envs: ['staging'] } })
    expect((await bench.set('new', 50)).ended).toBe('policy_denied')
    expect((await bench.set('fine', 50)).ended).toBe('ok')
    expect((await bench.set('fine', 100)).ended).toBe('ok')
    expect(await bench.pctOf('new')).toBe(0)
  })

  it('is set back in read-only mode and with the tool in quarantine: a rollback is no agent’s write', async () => {
    await using bench = await rollouts()
    await bench.set('fine', 10)
    await bench.set('fine', 50)
    const { switches } = bench.gate.started.gateway
    const by = { kind: 'operator', name: 'test' } as const
    await switches.engage({ kind: 'read-only', target: 'all', reason: 'test', ttlMs: 60_000 }, by)
    await switches.engage({ kind: 'tool', target: 'flag.set', reason: 'test', ttlMs: 60_000 }, by)
    expect((await bench.set('fine', 9)).ended).not.toBe('ok')
    bench.traffic.errorRate = 0.9
    await settled(bench)
    expect(await bench.pctOf('fine')).toBe(10)
  })

  it('names no flag that holds something personal', async () => {
    await using bench = await rollouts()
    bench.traffic.broken = { 'card-4111111111111111': { abovePct: 10, errorRate: 0.6 } }
    await bench.set('card-4111111111111111', 50)
    await settled(bench)
    await until(() => bench.pages.length > 0, 'a page')
    expect(await bench.pctOf('card-4111111111111111')).toBe(0)
    expect(JSON.stringify([bench.pages, await bench.gate.records()])).not.toContain('4111111111111111')
  })
})

interface Spans {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string
        readonly spanId: string
        readonly parentSpanId: string
        readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[]
      }[]
    }[]
  }[]
}

/** What the guard did on its own account in one trace; of attributes those that are text. */
async function guardSpans(data: string, traceId: string) {
  const { resourceSpans } = (await spansOfTraces(data, new Set([traceId]))) as unknown as Spans
  const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
  return spans
    .map((span) => ({
      ...span,
      attributes: Object.fromEntries(span.attributes.map(({ key, value }) => [key, value.stringValue])),
    }))
    .filter(({ attributes }) => attributes['actor.id'] === 'gateway:rollout-guard')
}
