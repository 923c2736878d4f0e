import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/ports/json.ts'
import { flagService, killableConfiguration } from '../support/flag-service.ts'
import { killableGateways } from '../support/gateway-kills.ts'
import { issue, issuerOf, openTestGateway, type Seen, type TestGateway } from '../support/gateway.ts'
import { seeded } from '../support/log-mutator.ts'
import { deniedCodeIn, modernCall, rpc } from '../support/wire.ts'

const data = mkdtempSync(join(tmpdir(), 'sluicegate-idem-'))
const tireless = {
  limits: { rpm: 1_000_000, burst: 1_000_000, concurrency: 10_000 },
  stop_rules: { max_retries: 1_000_000 },
}
const open = () => openTestGateway({ data, over: { principals: [{ principal: 'agent:release', ...tireless }] } })

let gate: TestGateway
beforeAll(async () => {
  gate = await open()
})
afterAll(async () => {
  await gate.close()
  rmSync(data, { recursive: true, force: true })
})

const flag = (more: JsonObject = {}): JsonObject => ({ name: 'one_key', env: 'dev', rolloutPct: 5, ...more })
const writes = () => gate.requests().filter(({ method }) => method !== 'GET').length
const times = (saw: readonly Seen[], fits: (one: Seen) => boolean) => saw.filter(fits).length

describe('one idempotency key', () => {
  it('in 200 calls at once changes the world once', async () => {
    const args = flag({ idemKey: randomUUID() })
    const before = writes()
    const saw = await Promise.all(Array.from({ length: 200 }, () => gate.call('flag.set', args)))
    expect(writes() - before).toBe(1)
    expect(times(saw, ({ text }) => text.startsWith('Flag one_key'))).toBe(1)
    expect(times(saw, ({ ended, text }) => ended === 'ok' && text.startsWith('OK (idempotent): Flag'))).toBe(
      199 - times(saw, ({ ended }) => ended === 'idempotency_conflict'),
    )
    // Whoever came while the first was under way may come again.
    const waiting = saw.find(({ ended }) => ended === 'idempotency_conflict')
    if (waiting) expect(waiting.structured).toMatchObject({ denied: { retryAfterMs: expect.any(Number) as number } })
    expect((await gate.call('flag.set', args)).text).toMatch(/^OK \(idempotent\): Flag/)
    expect(writes() - before).toBe(1)
  })

  it('with another body is refused, and neither body is done', async () => {
    const idemKey = randomUUID()
    await gate.call('flag.set', flag({ idemKey }))
    const before = writes()
    for (const more of [{ rolloutPct: 6 }, { name: 'other' }, { env: 'staging' }, { ticket: 'CHG-1' }]) {
      const saw = await gate.call('flag.set', flag({ ...more, idemKey }))
      expect(saw.ended).toBe('idempotency_conflict')
      expect(saw.structured).toMatchObject({ denied: { field: 'idemKey' } })
    }
    expect(writes()).toBe(before)
  })

  it('is not another tenant’s, not another tool’s, and the same one’s in another spelling of the call', async () => {
    const idemKey = randomUUID()
    const first = await gate.call('flag.set', flag({ idemKey }))
    const other = await gate.call('flag.set', flag({ idemKey }), { as: { tenant: 'initech' } })
    const tool = await gate.call('crm.bulk_update', {
      segment: 'trial',
      set: { status: 'active' },
      count: 1000,
      idemKey,
    })
    expect([first, other, tool].map(({ ended, text }) => [ended, text.startsWith('OK (idempotent)')])).toEqual([
      ['ok', false],
      ['ok', false],
      ['ok', false],
    ])
    const { name, env, rolloutPct } = flag() as Record<string, string>
    const again = await gate.call('flag.set', { idemKey, rolloutPct, env, name } as JsonObject)
    expect(again.text).toBe(`OK (idempotent): ${first.text}`)
  })

  it('of a call that was refused is still free', async () => {
    const idemKey = randomUUID()
    expect((await gate.call('flag.set', flag({ idemKey, rolloutPct: 500 }))).ended).toBe('invalid_arguments')
    expect((await gate.call('flag.set', flag({ idemKey, env: 'prod', rolloutPct: 50 }))).ended).toBe('ticket_required')
    expect((await gate.call('flag.set', flag({ idemKey }))).text).toMatch(/^Flag one_key/)
  })

  it('reaches the service as a digest, the same for the same call', async () => {
    const idemKey = randomUUID()
    const before = gate.requests().length
    await gate.call('flag.set', flag({ idemKey }))
    const [request] = gate
      .requests()
      .slice(before)
      .filter(({ method }) => method === 'PUT')
    const operation = gate.requests().at(-1)?.operationId ?? request?.operationId
    expect(operation).toMatch(/^[0-9a-f]{64}$/)
    expect(JSON.stringify(gate.requests())).not.toContain(idemKey)
  })

  it('is remembered by the next gateway on the same data', async () => {
    const args = flag({ idemKey: randomUUID() })
    const first = await gate.call('flag.set', args)
    await gate.close()
    gate = await open()
    const again = await gate.call('flag.set', args)
    expect(again.text).toBe(`OK (idempotent): ${first.text}`)
    expect(writes()).toBe(0)
    expect((await gate.call('flag.set', { ...args, rolloutPct: 7 })).ended).toBe('idempotency_conflict')
  })

  it('is recorded with the call it repeats', async () => {
    const args = flag({ idemKey: randomUUID() })
    await gate.call('flag.set', args)
    await gate.call('flag.set', args)
    const [first, second] = (await gate.records()).filter(({ type }) => type === 'call.outcome').slice(-2)
    expect(second?.idem?.replayOf).toBe(first?.req)
    expect(second?.result?.status).toBe('ok')
  })
})

const callsPerKey = Number(process.env['SLUICEGATE_SAME_KEY'] ?? 1000)
const seed = Number(process.env['SLUICEGATE_SEED'] ?? Date.now() % 1_000_000)

describe('One idempotency key, with kills between, changes the world at most once for each tenant', () => {
  const own = mkdtempSync(join(tmpdir(), 'sluicegate-idem-kills-'))
  afterAll(() => rmSync(own, { recursive: true, force: true }))

  it(`in ${callsPerKey} calls at once, with kills between, changes the world at most once for each tenant`, async () => {
    process.stdout.write(`one-key-many-calls: SLUICEGATE_SEED=${seed}\n`)
    const random = seeded(seed)
    const service = await flagService()
    const issuer = await issuerOf(own)
    writeFileSync(join(own, 'sluicegate.yaml'), killableConfiguration(service.url))
    await using gateways = killableGateways(['--config', join(own, 'sluicegate.yaml'), '--data', own])
    const idemKey = randomUUID()
    const codes = new Map<string, number>()
    let left = callsPerKey
    let answered = 0
    for (let round = 0; round < kills + 1; round += 1) {
      const gateway = gateways.next()
      const mcp = await gateway.open()
      const many = round === kills ? left : Math.ceil(callsPerKey / (kills + 1))
      left -= many
      const calls = Array.from({ length: many }, async (_, n) => {
        const tenant = n % 10 === 9 ? 'initech' : 'acme'
        const rolloutPct = n % 10 === 8 ? 6 : 5
        const args = { name: `same_${tenant}`, env: 'dev', rolloutPct, idemKey }
        const { body, headers } = modernCall('flag.set', args)
        const answer = await rpc(mcp, issue(issuer, { tenant }), body, headers).catch(() => undefined)
        if (!answer) return
        answered += 1
        const code = `${tenant} ${rolloutPct} ${deniedCodeIn(answer.message) ?? 'ok'}`
        codes.set(code, (codes.get(code) ?? 0) + 1)
      })
      if (round < kills) {
        // Death comes while the first of them is on its way, or when most are answered.
        await after(random() * 250)
        await gateway.kill()
        await Promise.all(calls)
      } else {
        await Promise.all(calls)
        expect(await gateway.stop()).toBe(0)
      }
    }
    service.close()
    expect(answered).toBeGreaterThan(callsPerKey / 10)
    for (const [name, times] of service.effects) expect([name, times]).toEqual([name, 1])
    // Another body was never done: whoever came first with the key decided for all.
    const done = [...codes.keys()].filter((code) => code.endsWith(' ok')).map((code) => code.slice(0, -3))
    expect(done.filter((code) => code.startsWith('acme')).length).toBeLessThanOrEqual(1)
    const ends = [...codes.keys()].map((code) => code.split(' ')[2])
    expect(ends.filter((end) => !['ok', 'idempotency_conflict', 'outcome_unknown'].includes(end ?? ''))).toEqual([])
  }, 600_000)
})

const kills = 4
