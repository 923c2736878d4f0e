import { randomUUID } from 'node:crypto'
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/ports/json.ts'
import { builtInTools } from '../../src/tools/built-in.ts'
import { allGrants, openTestGateway, type Caller, type TestGateway } from '../support/gateway.ts'
import { aService, get } from '../support/demo-services.ts'

/* Every tool, every argument that names something, two tenants; and every tool with every scope alone. */

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-ownership-'))
let gate: TestGateway
beforeAll(async () => {
  const file = join(folder, 'tickets.yaml')
  const covers = { principal: 'agent:release', tenant: 'acme', tools: ['flag.set'] }
  writeFileSync(
    file,
    JSON.stringify([{ ticket: 'CHG-7', state: 'approved', ...covers, expires: '2099-01-01T00:00:00Z' }]),
  )
  const limits = { rpm: 100_000, burst: 100_000 }
  const principals = [{ principal: 'agent:release', limits, stop_rules: { max_retries: 100_000 } }]
  gate = await openTestGateway({ over: { principals, detector: { stages: { default: 'off' } } } })
})
afterAll(async () => {
  await gate.close()
  rmSync(folder, { recursive: true, force: true })
})

const mine = { tenant: 'acme' }
const theirs = { tenant: 'initech' }
const call = (tool: string, args: JsonObject, as: { readonly tenant: string }) => gate.call(tool, args, { as })
const flag = (more: JsonObject = {}): JsonObject => ({
  name: 'owned_flag',
  env: 'dev',
  rolloutPct: 42,
  idemKey: randomUUID(),
  ...more,
})

describe('what belongs to one tenant', () => {
  it('is not read by another: a flag of the same name is another flag', async () => {
    await call('flag.set', flag(), mine)
    const other = await call('flag.set', flag({ rolloutPct: 7 }), theirs)
    expect(other.structured).toMatchObject({ previousPct: 0, created: true })
    const again = await call('flag.set', flag({ rolloutPct: 43 }), mine)
    expect(again.structured).toMatchObject({ previousPct: 42 })
  })

  it('is not read by another: the same days hold other orders', async () => {
    const week = { from: '2025-09-01', to: '2025-09-03' }
    const ids = async (as: { readonly tenant: string }) => {
      const { structured = {} } = await call('orders.export', week, as)
      return (structured['rows'] as readonly JsonObject[]).map((row) => row['orderId'])
    }
    const [ours, others] = [await ids(mine), await ids(theirs)]
    expect(ours.length).toBeGreaterThan(0)
    expect(ours.filter((id) => others.includes(id))).toEqual([])
  })

  it('is not written by another: a segment of the same name is its own', async () => {
    const update = (tier: string) => ({ segment: 'vip', set: { tier }, count: 1000, idemKey: randomUUID() })
    const before = gate.requests().length
    const ended = [
      (await call('crm.bulk_update', update('premium'), mine)).ended,
      (await call('crm.bulk_update', update('free'), theirs)).ended,
    ]
    expect(ended).toEqual(['ok', 'ok'])
    const seen = gate.requests().slice(before)
    expect(new Set(seen.map(({ tenant }) => tenant))).toEqual(new Set(['acme', 'initech']))
  })

  it('is not repeated to another: one idempotency key in two tenants is two keys', async () => {
    const args = flag({ name: 'same_key' })
    const [first, second] = [await call('flag.set', args, mine), await call('flag.set', args, theirs)]
    expect([first.text, second.text].map((text) => text.startsWith('OK (idempotent)'))).toEqual([false, false])
  })

  it('is not opened by a ticket of another tenant', async () => {
    const risky = () => flag({ env: 'prod', rolloutPct: 50, ticket: 'CHG-7' })
    const over = { tickets: { file: join(folder, 'tickets.yaml') } }
    await using own = await openTestGateway({ over })
    expect((await own.call('flag.set', risky(), { as: mine })).ended).toBe('ok')
    expect((await own.call('flag.set', risky(), { as: theirs })).ended).toBe('ticket_required')
  })

  it('is not opened by a ticket of one whom the caller only acts for, nor by its own for one who has none', async () => {
    const file = join(folder, 'delegated.yaml')
    const entry = { state: 'approved', tools: ['flag.set'], expires: '2099-01-01T00:00:00Z' }
    const people = [
      ['CHG-1', 'user:ana'],
      ['CHG-2', 'agent:release'],
      ['CHG-3', 'user:ana'],
      ['CHG-3', 'agent:release'],
    ]
    writeFileSync(file, JSON.stringify(people.map(([ticket, principal]) => ({ ...entry, ticket, principal }))))
    await using own = await openTestGateway({ over: { tickets: { file } } })
    const ended = async (ticket: string, as: Caller) =>
      (await own.call('flag.set', flag({ env: 'prod', rolloutPct: 50, ticket }), { as })).ended
    const acting = { sub: 'user:ana', act: 'agent:release' }
    expect(await ended('CHG-1', acting)).toBe('ticket_required')
    expect(await ended('CHG-2', acting)).toBe('ticket_required')
    expect(await ended('CHG-3', acting)).toBe('ok')
    expect(await ended('CHG-1', { sub: 'user:ana' })).toBe('ok')
    expect(await ended('CHG-2', { sub: 'agent:release' })).toBe('ok')
  })

  it('is asked for under its own tenant, whatever a caller writes into the arguments', async () => {
    const names = [
      'tenant',
      'tenantId',
      'tenant_id',
      'x-tenant',
      'owner',
      'account',
      'org',
      'subject',
      'actor',
      'region',
    ]
    for (const { definition, examples } of builtInTools) {
      const good = examples.find(({ expect: end }) => end === 'ok')?.args as JsonObject
      for (const name of names) {
        const before = gate.requests().length
        const { ended, structured } = await call(definition.name, { ...good, [name]: 'globex' }, mine)
        expect([definition.name, name, ended]).toEqual([definition.name, name, 'invalid_arguments'])
        expect(structured).toMatchObject({ denied: { field: name } })
        expect(gate.requests()).toHaveLength(before)
      }
    }
  })

  it('is refused by the service itself to a credential of another tenant', async () => {
    const service = await aService('us-east')
    const paths = ['/orders?from=2025-09-01&to=2025-09-02', '/contacts/preview?segment=vip', '/flags/x/dev']
    for (const path of paths) {
      for (const tenant of ['acme', 'globex']) {
        const { status } = await get(service, path, tenant, 'initech-only')
        expect([path, tenant, status >= 400 && status < 500]).toEqual([path, tenant, true])
      }
    }
    await service.close()
  })
})

describe('a scope', () => {
  const idemKey = () => randomUUID()
  const needs: readonly (readonly [tool: string, args: () => JsonObject, scopes: readonly string[]])[] = [
    ['orders.export', () => ({ from: '2025-09-01', to: '2025-09-01' }), ['orders.read']],
    ['flag.set', () => flag({ env: 'dev', idemKey: idemKey() }), ['flags.write:dev']],
    ['flag.set', () => flag({ env: 'staging', idemKey: idemKey() }), ['flags.write:staging']],
    ['flag.set', () => flag({ env: 'prod', rolloutPct: 1, idemKey: idemKey() }), ['flags.write:prod']],
    [
      'crm.bulk_update',
      () => ({ segment: 'trial', set: { status: 'active' }, count: 1000, idemKey: idemKey() }),
      ['crm.write'],
    ],
    ['web.fetchSafe', () => ({ url: 'http://unlisted.vendor.example/' }), ['web.fetch']],
    ['web.fetchSafe', () => ({ url: 'http://unlisted.vendor.example/', body: 'x' }), ['web.fetch', 'web.post']],
  ]

  it.each(needs)('opens %s with its own arguments and nothing else', async (tool, args, scopes) => {
    const grants: readonly (readonly string[])[] = [[], ...allGrants.map((one) => [one]), allGrants, scopes]
    for (const held of grants) {
      const enough = scopes.every((scope) => held.includes(scope))
      const { ended } = await gate.call(tool, args(), { as: { ...mine, grants: held } })
      expect([held, ended === 'scope_missing']).toEqual([held, !enough])
    }
  })

  it('that only looks like the one that is needed opens nothing', async () => {
    for (const near of ['orders.rea', 'orders.readall', 'orders.read:all', 'Orders.Read', 'orders', 'flags.write']) {
      const { ended } = await gate.call(
        'orders.export',
        { from: '2025-09-01', to: '2025-09-01' },
        { as: { grants: [near] } },
      )
      expect([near, ended]).toEqual([near, 'scope_missing'])
    }
  })
})
