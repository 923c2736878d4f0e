import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { openTestGateway, type Caller, type TestGateway } from '../support/gateway.ts'

let gate: TestGateway | undefined
afterEach(() => gate?.close())

async function open(over: Readonly<Record<string, unknown>> = {}): Promise<TestGateway> {
  gate = await openTestGateway({ over })
  return gate
}

const days = { from: '2025-09-01', to: '2025-09-02' }
const globex: Caller = { sub: 'agent:reporter', tenant: 'globex', grants: ['orders.read', 'flags.write:staging'] }
const acme: Caller = { ...globex, tenant: 'acme' }

/** How many requests of a tenant reached each region. */
function reached({ started }: TestGateway): Readonly<Record<string, number>> {
  const counts = Object.entries(started.services).map(([region, service]) => [region, service.requests().length])
  return Object.fromEntries(counts) as Record<string, number>
}

describe('data of people in the EU', () => {
  it('is asked for in eu-west alone, by reads, by writes, and by the guard that watches a write', async () => {
    const test = await open()
    const read = await test.call('orders.export', days, { as: globex })
    expect(read.ended).toBe('ok')
    expect(read.wire).toContain('globex-eu-')
    const raise = { name: 'new-search', env: 'staging', rolloutPct: 50, idemKey: randomUUID() }
    expect((await test.call('flag.set', raise, { as: globex })).ended).toBe('ok')
    expect(test.started.gateway.rollouts.watches()).toMatchObject([{ tenant: 'globex', region: 'eu-west' }])
    expect(reached(test)).toMatchObject({ 'us-east': 0 })
  })

  it('is asked for in eu-west when the token says EU, whatever the home of the tenant', async () => {
    const test = await open()
    const home = await test.call('orders.export', days, { as: acme })
    const abroad = await test.call('orders.export', days, { as: { ...acme, region: 'EU' } })
    expect([home.wire, abroad.wire].map((wire) => [wire.includes('acme-us-'), wire.includes('acme-eu-')])).toEqual([
      [true, false],
      [false, true],
    ])
  })

  it('is not looked for elsewhere when the token says US: the region that is asked holds none of it', async () => {
    const test = await open()
    const saw = await test.call('orders.export', days, { as: { ...globex, region: 'US' } })
    expect([saw.ended, saw.structured?.['rows']]).toEqual(['region_unavailable', undefined])
    expect(reached(test)).toMatchObject({ 'eu-west': 0 })
  })

  it.each(['APAC', 'eu', 'EU,US', 'constructor', '__proto__'])(
    'is asked for nowhere when the token says %j, which no backend serves',
    async (region) => {
      const test = await open()
      expect((await test.call('orders.export', days, { as: { ...globex, region } })).ended).not.toBe('ok')
      expect(reached(test)).toEqual({ 'eu-west': 0, 'us-east': 0 })
    },
  )

  it('is asked for nowhere when two rules send it to two places', async () => {
    const other = { rule: 'reports-from-us', when: { tool: 'orders.export' }, route: 'us-east' }
    const test = await open({ policies: ['builtin', other] })
    const saw = await test.call('orders.export', days, { as: globex })
    expect(saw.ended).toBe('region_unavailable')
    expect(reached(test)).toEqual({ 'eu-west': 0, 'us-east': 0 })
    // For whom only one of them speaks, it holds.
    expect((await test.call('orders.export', days, { as: acme })).wire).toContain('acme-us-')
  })

  it('is sent where a rule says, also against the home of the tenant, and nowhere when nobody runs that place', async () => {
    const rule = (route: string) => ({
      policies: ['builtin', { rule: 'elsewhere', when: { tool: 'orders.*' }, route }],
    })
    const test = await open(rule('eu-west'))
    expect((await test.call('orders.export', days, { as: acme })).wire).toContain('acme-eu-')
    await test.close()
    const gone = await open(rule('mars-1'))
    expect((await gone.call('orders.export', days, { as: acme })).ended).toBe('region_unavailable')
    expect(reached(gone)).toEqual({ 'eu-west': 0, 'us-east': 0 })
  })
})

describe('a vendor', () => {
  it('that nobody listed is not called, and one that is closed is not either', async () => {
    const test = await open({ egress: { allow: ['known.example', 'closed.example'], block: ['closed.example'] } })
    const as = { ...globex, grants: ['web.fetch', 'web.post'] }
    const ended = async (url: string) => (await test.call('web.fetchSafe', { url }, { as })).ended
    expect(await ended('https://unknown.example/')).toBe('policy_denied')
    expect(await ended('https://sub.known.example/')).toBe('policy_denied')
    expect(await ended('https://closed.example/')).not.toBe('ok')
    const left = (await test.records()).filter(({ egress }) => egress?.sizeBytes !== undefined)
    expect(left).toEqual([])
  })
})
