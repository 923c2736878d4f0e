import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { readOnly } from '../../src/bin/commands/serve.ts'
import { openTestGateway, type OpenOptions, type TestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

const operator = { kind: 'operator', name: 'ana' } as const
const data = mkdtempSync(join(tmpdir(), 'sluicegate-orders-'))
afterAll(() => rmSync(data, { recursive: true, force: true }))

const vendors = {
  egress: { allow: ['vendor.example', 'bulk.example'], hosts: { 'vendor.example': 9 }, bulk: ['bulk.example'] },
}
const open = (over: NonNullable<OpenOptions['over']> = {}) => openTestGateway({ data, over })
const orders = { from: '2025-09-01', to: '2025-09-01' }

describe('switches of a gateway', () => {
  it('hold a tool that is named by its alias, and lower its ceilings', async () => {
    await using gate = await openTestGateway({ over: vendors })
    const { switches } = gate.started.gateway
    const fetchPage = () => gate.call('web.fetchSafe', { url: 'http://vendor.example/' })
    const { id, target } = await switches.engage({ kind: 'tool', target: 'web.fetch', reason: 'r' }, operator)
    expect([target, (await fetchPage()).ended]).toEqual(['web.fetchSafe', 'quarantined'])
    await switches.release(id, 'over', operator)
    await switches.engage({ kind: 'limits', target: 'web.fetch', reason: 'r', set: { rpm: 0 } }, operator)
    expect((await fetchPage()).ended).toBe('rate_limited')
  })

  it('take one right from a token and leave it the others', async () => {
    await using gate = await openTestGateway()
    const { switches } = gate.started.gateway
    await switches.engage({ kind: 'grant', target: 'flags.write:prod', reason: 'r' }, operator)
    const write = (env: string) => gate.call('flag.set', { name: 'a', env, rolloutPct: 5, idemKey: randomUUID() })
    expect((await gate.call('orders.export', orders)).ended).toBe('ok')
    expect((await write('dev')).ended).toBe('ok')
    expect((await write('prod')).ended).toBe('scope_missing')
  })

  it('are told to have ended once, not at every start', async () => {
    const first = await open()
    await first.started.gateway.switches.engage(
      { kind: 'egress', target: 'gone.example', reason: 'r', ttlMs: 1_000 },
      operator,
    )
    await first.close()
    await after(1_000)
    const told = async (gate: TestGateway) =>
      (await gate.records()).filter(({ type }) => type === 'kill.release').length
    {
      await using gate = await open()
      await until(async () => (await told(gate)) > 0, 'its end')
    }
    await using gate = await open()
    await after(1_500)
    expect(await told(gate)).toBe(1)
  })

  it('of MCP_READ_ONLY=1 are one, and end with a start without it', async () => {
    const engagedAfter = async (asked: boolean) => {
      await using gate = await open()
      await readOnly(gate.started.gateway, asked)
      return gate.started.gateway.switches.list().map(({ id }) => id)
    }
    expect(await engagedAfter(true)).toEqual(['environment-read-only'])
    expect(await engagedAfter(true)).toEqual(['environment-read-only'])
    expect(await engagedAfter(false)).toEqual([])
    expect(await engagedAfter(false)).toEqual([])
  })
})

describe('configured lists', () => {
  it('reach the detector’s answers as they reach its conditions', async () => {
    const detector = { lists: { core_vendors: ['kept.example'] } }
    await using gate = await openTestGateway({ over: { ...vendors, detector } })
    expect(gate.started.options.detector.lists).toEqual({
      bulk_vendors: ['bulk.example'],
      core_vendors: ['kept.example'],
    })
  })
})
