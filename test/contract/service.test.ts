import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Service } from '../../src/demo/service/start.ts'
import { orderIdOf } from '../../src/demo/service/tenants.ts'
import { aService, get, serviceToken } from '../support/demo-services.ts'

let us: Service
let eu: Service
let nowMs = Date.UTC(2025, 9, 1)

beforeAll(async () => {
  us = await aService('us-east', { nowMs: () => nowMs })
  eu = await aService('eu-west')
})
afterAll(() => Promise.all([us.close(), eu.close()]))

interface Write {
  readonly key?: string
  readonly tenant?: string
  readonly method?: string
}

async function write(path: string, body: unknown, { key, tenant = 'acme', method = 'PUT' }: Write = {}) {
  const operation = key === undefined ? {} : { 'idempotency-key': key }
  const headers = {
    authorization: `Bearer ${serviceToken}`,
    'x-tenant': tenant,
    'content-type': 'application/json',
    ...operation,
  }
  const response = await fetch(`${us.url}${path}`, { method, headers, body: JSON.stringify(body) })
  return {
    status: response.status,
    body: (await response.json()) as never,
    replayed: response.headers.get('idempotency-replayed'),
  }
}

const status = async (answer: Promise<Response>) => (await answer).status

describe('the regional service', () => {
  it('knows its callers', async () => {
    expect(await status(fetch(`${us.url}/orders?from=2025-08-01&to=2025-08-01`))).toBe(401)
    expect(await status(get(us, '/flags', 'acme', 'guess'))).toBe(401)
    expect(await status(get(us, '/flags', 'acme', 'initech-only'))).toBe(403)
    expect(await status(get(us, '/flags', 'nobody'))).toBe(403)
    expect(await status(get(us, '/flags', 'initech', 'initech-only'))).toBe(200)
  })

  it('holds the European tenant in eu-west alone', async () => {
    expect(await status(get(us, '/orders?from=2025-08-01&to=2025-08-02', 'globex'))).toBe(404)
    expect(await status(get(eu, '/orders?from=2025-08-01&to=2025-08-02', 'globex'))).toBe(200)
  })

  it("answers 404 for another tenant's order, as if it did not exist", async () => {
    const id = orderIdOf('acme', 'us-east', '2025-08-01', 1)
    expect(await status(get(us, `/orders/${id}`, 'acme'))).toBe(200)
    const foreign = await get(us, `/orders/${id}`, 'initech')
    const missing = await get(us, '/orders/none', 'initech')
    expect(foreign.status).toBe(404)
    expect(await foreign.text()).toBe(await missing.text())
  })

  it("never lets one tenant's flags show in another's", async () => {
    await write('/flags/only-acme/dev', { rolloutPct: 7 }, { key: 'isolation-1' })
    const names = async (tenant: string) => await (await get(us, '/flags', tenant)).text()
    expect(await names('acme')).toContain('only-acme')
    expect(await names('initech')).not.toContain('only-acme')
  })

  it.each([
    ['an unknown parameter', '/orders?from=2025-08-01&to=2025-08-02&tenant=globex'],
    ['a repeated parameter', '/orders?from=2025-08-01&from=2025-08-02&to=2025-08-02'],
    ['a day that does not exist', '/orders?from=2025-02-30&to=2025-03-01'],
    ['a limit beyond the maximum', '/orders?from=2025-08-01&to=2025-08-02&limit=100000'],
    ['a malformed escape', '/orders/%E0%A4%A'],
    ['a segment it does not have', '/contacts/preview?segment=everyone&status=archived'],
    ['a preview of nothing', '/contacts/preview?segment=vip'],
  ])('refuses %s', async (_what, path) => {
    expect(await status(get(us, path, 'acme'))).toBe(400)
  })

  it('refuses fields, methods, paths and bodies it does not know', async () => {
    expect((await write('/flags/x/dev', { rolloutPct: 1, owner: 'me' }, { key: 'strict-01' })).status).toBe(400)
    expect((await write('/flags/x/dev', { rolloutPct: 100.5 }, { key: 'strict-02' })).status).toBe(400)
    expect((await write('/flags/x/moon', { rolloutPct: 1 }, { key: 'strict-03' })).status).toBe(400)
    expect((await write('/flags/x/dev', { rolloutPct: 1 }, { key: 'strict-04', method: 'POST' })).status).toBe(405)
    expect((await write('/nothing', {}, { key: 'strict-05' })).status).toBe(404)
    expect((await write('/flags/x/dev', 'x'.repeat(70_000), { key: 'strict-06' })).status).toBe(413)
    expect((await write('/flags/x/dev', { rolloutPct: 1 })).status).toBe(400)
  })

  it('does an operation once, and says so', async () => {
    const first = await write('/flags/once/prod', { rolloutPct: 5 }, { key: 'operation-1' })
    await write('/flags/once/prod', { rolloutPct: 9 }, { key: 'operation-2' })
    const again = await write('/flags/once/prod', { rolloutPct: 5 }, { key: 'operation-1' })
    expect(first.body).toMatchObject({ previousPct: 0, created: true })
    expect(again).toEqual({ ...first, replayed: 'true' })
    const now = (await (await get(us, '/flags', 'acme')).json()) as {
      flags: { name: string; env: string; rolloutPct: number }[]
    }
    expect(now.flags.find(({ name, env }) => name === 'once' && env === 'prod')?.rolloutPct).toBe(9)
  })

  it('refuses another request under the same operation id', async () => {
    await write('/flags/conflict/dev', { rolloutPct: 5 }, { key: 'operation-3' })
    expect((await write('/flags/conflict/dev', { rolloutPct: 6 }, { key: 'operation-3' })).status).toBe(409)
    expect((await write('/flags/other/dev', { rolloutPct: 5 }, { key: 'operation-3' })).status).toBe(409)
  })

  it("keeps tenants' operation ids apart", async () => {
    await write('/flags/apart/dev', { rolloutPct: 5 }, { key: 'operation-4' })
    const other = await write('/flags/apart/dev', { rolloutPct: 6 }, { key: 'operation-4', tenant: 'initech' })
    expect(other).toMatchObject({ status: 200, replayed: null })
  })

  it('forgets an operation after a day', async () => {
    await write('/flags/day/dev', { rolloutPct: 5 }, { key: 'operation-5' })
    nowMs += 24 * 3_600_000 + 1
    expect((await write('/flags/day/dev', { rolloutPct: 6 }, { key: 'operation-5' })).status).toBe(200)
  })

  it('changes a segment whole, or not at all', async () => {
    const bulk = (count: number, key: string) =>
      write('/contacts/bulk', { segment: 'trial', set: { status: 'archived' }, count }, { key, method: 'POST' })
    const preview = async () =>
      (await (await get(us, '/contacts/preview?segment=trial&status=archived', 'acme')).json()) as { count: number }
    const { count } = await preview()
    expect(count).toBeGreaterThan(100)
    expect(await bulk(count - 1, 'bulk-0001')).toMatchObject({
      status: 409,
      body: { error: { code: 'count_exceeded', matched: count } },
    })
    expect((await preview()).count).toBe(count)
    expect(await bulk(count, 'bulk-0002')).toMatchObject({ status: 200, body: { segment: 'trial', updated: count } })
    expect((await preview()).count).toBe(0)
  })

  it("leaves other tenants' contacts alone in a bulk update", async () => {
    const count = async () =>
      ((await (await get(us, '/contacts/preview?segment=vip&tier=premium', 'initech')).json()) as { count: number })
        .count
    const before = await count()
    await write(
      '/contacts/bulk',
      { segment: 'vip', set: { tier: 'premium' }, count: 5000 },
      { key: 'bulk-0003', method: 'POST' },
    )
    expect(await count()).toBe(before)
  })

  it('writes down which trace a request belonged to, and never a credential', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const headers = { authorization: `Bearer ${serviceToken}`, 'x-tenant': 'acme', traceparent, tracestate: 'a=1' }
    await fetch(`${us.url}/flags`, { headers })
    expect(us.requests().at(-1)).toMatchObject({
      method: 'GET',
      path: '/flags',
      tenant: 'acme',
      traceparent,
      tracestate: 'a=1',
    })
    expect(JSON.stringify(us.requests())).not.toContain(serviceToken)
  })
})
