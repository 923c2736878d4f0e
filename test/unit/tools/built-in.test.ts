import { assert, double, integer, property } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ServiceClient } from '../../../src/adapters/service-http.ts'
import type { Service } from '../../../src/demo/service/start.ts'
import type { JsonObject } from '../../../src/ports/json.ts'
import type { ServiceReply } from '../../../src/ports/tool.ts'
import { crmBulkUpdate } from '../../../src/tools/crm-bulk-update.ts'
import { flagSet } from '../../../src/tools/flag-set.ts'
import { ordersExport } from '../../../src/tools/orders-export.ts'
import { webFetchSafe } from '../../../src/tools/web-fetch-safe.ts'
import { aClient, aContext, aService } from '../../support/demo-services.ts'

let us: Service
let eu: Service
let client: ServiceClient

beforeAll(async () => {
  us = await aService('us-east')
  eu = await aService('eu-west')
  client = aClient({ 'us-east': us.url, 'eu-west': eu.url }).client
})
afterAll(() => Promise.all([client.close(), us.close(), eu.close()]))

interface Exported {
  readonly range: JsonObject
  readonly count: number
  readonly total: number
  readonly truncated: boolean
  readonly rows: readonly { readonly orderId: string; readonly email: string }[]
}

async function exported(from: string, to: string, tenant = 'acme', region = 'us-east') {
  const { structured } = await ordersExport.invoke({ from, to }, aContext(client, { tenant, region }))
  return structured as unknown as Exported
}

describe('orders.export', () => {
  it('lists both ends of the range, oldest first, with the count of its rows', async () => {
    const { range, rows, count, total, truncated } = await exported('2025-08-31', '2025-09-01')
    const days = rows.map(({ orderId }) => orderId.split('-')[2])
    expect(range).toEqual({ from: '2025-08-31', to: '2025-09-01' })
    expect(new Set(days)).toEqual(new Set(['250831', '250901']))
    expect(days).toEqual(days.toSorted((a = '', b = '') => a.localeCompare(b)))
    expect([count, total, truncated]).toEqual([rows.length, rows.length, false])
  })

  it('stops at 500 rows and says that there are more', async () => {
    const { rows, count, total, truncated } = await exported('2025-08-01', '2025-09-30')
    expect([rows.length, count, truncated]).toEqual([500, 500, true])
    expect(total).toBeGreaterThan(500)
  })

  it("shows a tenant its own orders, from the call's region", async () => {
    const ids = async (tenant: string, region: string) =>
      (await exported('2025-08-05', '2025-08-06', tenant, region)).rows.map(({ orderId }) =>
        orderId.slice(0, orderId.indexOf('-2')),
      )
    expect(new Set(await ids('acme', 'us-east'))).toEqual(new Set(['acme-us']))
    expect(new Set(await ids('acme', 'eu-west'))).toEqual(new Set(['acme-eu']))
    expect(new Set(await ids('globex', 'eu-west'))).toEqual(new Set(['globex-eu']))
    await expect(exported('2025-08-05', '2025-08-06', 'globex', 'us-east')).rejects.toMatchObject({
      code: 'region_unavailable',
    })
  })

  it.each([
    ['2025-09-01', '2025-12-02', true],
    ['2025-09-01', '2025-12-01', false],
    ['2025-09-02', '2025-09-01', true],
    ['2025-9-1', '2025-09-02', true],
    ['2025-02-29', '2025-03-01', true],
    ['2024-02-29', '2024-03-01', false],
    ['2025-09-01T00:00:00Z', '2025-09-02', true],
  ])('from %s to %s: refused %s', (from, to, refused) => {
    expect(ordersExport.validate({ from, to }).ok).toBe(!refused)
  })

  it('tells the gateway what the caller wants masked', () => {
    expect(ordersExport.masks?.({ from: '', to: '', mask: ['phone'] })).toEqual(['phone'])
    expect(ordersExport.masks?.({ from: '', to: '' })).toEqual([])
  })

  it('takes an answer of another shape for a failure of the service', async () => {
    const service = async (): Promise<ServiceReply> => ({ status: 200, body: { total: 1, orders: [{ orderId: 1 }] } })
    const call = ordersExport.invoke({ from: '2025-08-01', to: '2025-08-01' }, aContext(client, { service }))
    await expect(call).rejects.toMatchObject({ code: 'upstream_failed', failure: 'unexpected_answer' })
  })
})

describe('flag.set', () => {
  it('needs the scope of the environment it changes', () => {
    expect(flagSet.scopes({ name: 'x', env: 'prod', rolloutPct: 1 })).toEqual(['flags.write:prod'])
  })

  it('accepts every percentage from 0 to 100 and nothing else', () => {
    const accepts = (rolloutPct: number | string | null) => flagSet.validate({ name: 'x', env: 'dev', rolloutPct }).ok
    assert(property(double(), (value) => accepts(value) === (value >= 0 && value <= 100)))
    assert(property(integer({ min: 0, max: 100 }), accepts))
    for (const value of ['10', null, '']) expect(accepts(value)).toBe(false)
  })

  it('tells what the flag was before', async () => {
    const set = (rolloutPct: number) =>
      flagSet.invoke(
        { name: 'told', env: 'dev', rolloutPct },
        aContext(client, { operationId: `told-flag-${rolloutPct}` }),
      )
    expect((await set(10)).structured).toMatchObject({ rolloutPct: 10, previousPct: 0, created: true })
    expect((await set(25)).structured).toMatchObject({ rolloutPct: 25, previousPct: 10, created: false })
  })

  it.each(['a b', '../x', 'a/b', '', 'x'.repeat(65), 'ﬂag', 'a\n'])('refuses the name %j', (name) => {
    expect(flagSet.validate({ name, env: 'dev', rolloutPct: 1 }).ok).toBe(false)
  })
})

describe('crm.bulk_update', () => {
  const args = (count: number) => ({ segment: 'dormant', set: { status: 'archived' }, count })

  it('shows policy the larger of the claim and the truth', async () => {
    const { count } = (await crmBulkUpdate.preview?.(args(1), aContext(client))) ?? {}
    expect(count).toBeGreaterThan(1000)
    expect(await crmBulkUpdate.preview?.(args(5000), aContext(client))).toEqual({ count: 5000 })
  })

  it('previews exactly what the update then changes', async () => {
    const change = { segment: 'churned', set: { tier: 'standard', marketingOptIn: true }, count: 1 }
    const { count } = (await crmBulkUpdate.preview?.(change, aContext(client))) ?? {}
    const context = aContext(client, { operationId: 'crm-exactly' })
    expect((await crmBulkUpdate.invoke({ ...change, count: Number(count) }, context)).structured).toEqual({
      segment: 'churned',
      updated: count,
    })
  })

  it('changes nothing when more would change than the caller said', async () => {
    const call = crmBulkUpdate.invoke(args(10), aContext(client, { operationId: 'crm-too-many' }))
    await expect(call).rejects.toMatchObject({ code: 'invalid_arguments', field: 'count' })
  })

  it.each([{ email: 'x@example.com' }, { status: 'deleted' }, { tier: null }, { marketingOptIn: 'yes' }, {}])(
    'refuses to set %j',
    (set) => {
      expect(crmBulkUpdate.validate({ segment: 'vip', set, count: 1 }).ok).toBe(false)
    },
  )
})

describe('web.fetchSafe', () => {
  it('needs one scope more to send something', () => {
    expect(webFetchSafe.scopes({ url: 'http://a.example/' })).toEqual(['web.fetch'])
    expect(webFetchSafe.scopes({ url: 'http://a.example/', body: '' })).toEqual(['web.fetch', 'web.post'])
  })

  it('counts a body in bytes, not in characters', () => {
    const accepts = (body: string) => webFetchSafe.validate({ url: 'http://a.example/', body }).ok
    expect(accepts('x'.repeat(256 * 1024))).toBe(true)
    expect(accepts('x'.repeat(256 * 1024 + 1))).toBe(false)
    expect(accepts('é'.repeat(128 * 1024))).toBe(true)
    expect(accepts('é'.repeat(128 * 1024 + 1))).toBe(false)
    expect(accepts('\ud800')).toBe(false)
  })

  it.each([
    '/relative',
    'example.com',
    'file:///etc/passwd',
    'gopher://x/',
    'http://',
    'ws://a.example/',
    'javascript:alert(1)',
  ])('refuses %s before anybody connects', (url) => {
    expect(webFetchSafe.validate({ url })).toMatchObject({ ok: false, problems: [{ field: 'url', unknown: false }] })
  })

  it('says where the call would go', () => {
    expect(webFetchSafe.destination?.({ url: 'HTTP://EXAMPLE.com:80/x' }).href).toBe('http://example.com/x')
  })
})
