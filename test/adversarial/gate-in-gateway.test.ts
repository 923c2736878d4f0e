import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Denied } from '../../src/call/outcome.ts'
import { adviceBench, newKey, type AdviceBench } from '../support/advice.ts'
import { openTestGateway, recordsIn, type Seen } from '../support/gateway.ts'
import { until } from '../support/until.ts'

let bench: AdviceBench
beforeAll(async () => void (bench = await adviceBench()))
afterAll(() => bench[Symbol.asyncDispose]())

const day = (n: number) => ({
  from: `2025-09-${String(n).padStart(2, '0')}`,
  to: `2025-09-${String(n).padStart(2, '0')}`,
})
const deniedOf = ({ structured }: Seen) => structured?.['denied'] as unknown as Denied

describe('A service that is down, seen from the gateway', () => {
  let write: { name: string; env: string; rolloutPct: number; idemKey: string }
  let refused: Denied

  it('has its breaker open for one region alone, as evidence, on the metrics page and for operators', async () => {
    bench.faults.failNext = 5
    for (let n = 1; n <= 2; n += 1) await bench.call('orders.export', day(n))
    const records = (await bench.gate.records()).filter(({ type }) => type === 'service.breaker')
    expect(records.map(({ ext }) => ext)).toEqual([
      { server: 'orders/us-east', state: 'open', why: '5 failures in a row' },
    ])
    expect(bench.gate.reported).toContainEqual(
      expect.objectContaining({ level: 'error', breaker: 'open', server: 'orders/us-east' }),
    )
    const metrics = await bench.gate.started.gateway.admin.metrics()
    expect(metrics).toContain('sluicegate_breaker_state{server="orders/us-east"} 2')
    expect(metrics).toMatch(/sluicegate_service_held_back_total\{server="orders\/us-east",reason="breaker_open"\} 1/)
    expect((await bench.call('orders.export', day(3), { tenant: 'globex', region: 'EU' })).ended).toBe('ok')
  })

  it('leaves the key of a write free that was refused unsent', async () => {
    write = { name: 'unsent', env: 'staging', rolloutPct: 5, idemKey: newKey() }
    bench.faults.failNext = 1_000
    for (let n = 0; n < 5; n += 1) await bench.call('flag.set', { ...write, name: `broken-${n}`, idemKey: newKey() })
    const before = bench.faults.failNext
    refused = deniedOf(await bench.call('flag.set', write))
    expect(refused).toMatchObject({ code: 'upstream_unavailable', retryAfterMs: expect.any(Number) as number })
    expect(bench.faults.failNext).toBe(before)
    bench.faults.failNext = 0
    bench.wait(refused.retryAfterMs ?? 0)
    expect((await bench.call('flag.set', write)).structured).toMatchObject({ created: true })
    expect((await bench.call('flag.set', write)).text).toMatch(/^OK \(idempotent\)/)
  })

  it('has its breaker closed again, as evidence', async () => {
    const closed = (await bench.gate.records()).filter(
      ({ type, ext }) => type === 'service.breaker' && ext?.['state'] === 'closed',
    )
    expect(closed.map(({ ext }) => ext)).toEqual([
      { server: 'flags/us-east', state: 'closed', why: 'a probe succeeded' },
    ])
  })
})

describe('A write that waits its turn', () => {
  it('is not sent when a switch is pulled meanwhile, ends as the switch says, and leaves its key free', async () => {
    const intents = async () => (await bench.gate.records()).filter(({ type }) => type === 'call.intent').length
    const before = await intents()
    const puts: string[] = []
    const first = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    bench.faults.slowAfter = (request) => {
      if (!request.startsWith('PUT ')) return undefined
      puts.push(request)
      first.resolve()
      return go.promise
    }
    const flag = { name: 'contended', env: 'staging' }
    const second = { ...flag, rolloutPct: 60, idemKey: newKey() }
    const sent = bench.call('flag.set', { ...flag, rolloutPct: 50, idemKey: newKey() })
    await first.promise
    const waiting = bench.call('flag.set', second)
    await until(async () => (await intents()) === before + 2)
    const release = await bench.engage('read-only', 'all')
    go.resolve()
    expect([(await waiting).ended, puts]).toEqual(['read_only', ['PUT /flags/contended/staging']])
    await sent
    await release()
    expect((await bench.call('flag.set', second)).ended).toBe('ok')
    delete bench.faults.slowAfter
  })
})

describe('A daily budget', () => {
  it('survives a restart of the gateway, to the cent', async () => {
    const data = mkdtempSync(join(tmpdir(), 'sluicegate-budget-'))
    const over = {
      detector: { stages: { default: 'off' } },
      principals: [{ principal: 'agent:poor', limits: { daily_cost_usd: 0.005 } }],
    }
    const spend = async (calls: number, from: number) => {
      await using gate = await openTestGateway({ data, over })
      const endings = []
      for (let n = 0; n < calls; n += 1)
        endings.push((await gate.call('orders.export', day(from + n), { as: { sub: 'agent:poor' } })).ended)
      return endings
    }
    expect(await spend(2, 1)).toEqual(['ok', 'ok'])
    expect(await spend(2, 3)).toEqual(['budget_exhausted', 'budget_exhausted'])
    const refused = (await recordsIn(data)).filter(({ decision }) => decision?.reasonCode === 'budget_exhausted')
    expect(refused.map(({ limits }) => limits?.limit)).toEqual(['daily_cost_usd', 'daily_cost_usd'])
    rmSync(data, { recursive: true, force: true })
  })
})
