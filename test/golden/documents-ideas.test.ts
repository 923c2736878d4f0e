import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/ports/json.ts'
import { openTestGateway, type Seen, type TestGateway } from '../support/gateway.ts'

/* What the developer document proposes to test, against the running gateway. */

let gate: TestGateway
beforeAll(async () => {
  const tireless = { limits: { rpm: 100_000, burst: 100_000 }, stop_rules: { max_retries: 100_000 } }
  gate = await openTestGateway({ over: { principals: [{ principal: 'agent:release', ...tireless }] } })
})
afterAll(() => gate.close())

const flag = (args: JsonObject): Promise<Seen> => gate.call('flag.set', { name: 'checkout_v2', ...args })
const fetchSafe = (url: string, more: JsonObject = {}) => gate.call('web.fetchSafe', { url, ...more })
const changes = () => gate.requests().filter(({ method }) => method === 'PUT').length

describe('the documents’ test ideas', () => {
  it('denies a risky prod flag change without a ticket', async () => {
    const before = changes()
    const saw = await flag({ env: 'prod', rolloutPct: 50 })
    expect(saw.text).toMatch(/DENY/)
    expect(saw.text).toMatch(/Denied: .*10 % of prod/)
    expect(saw.structured).toMatchObject({ denied: { code: 'ticket_required', field: 'ticket' } })
    expect((await flag({ env: 'prod', rolloutPct: 50, ticket: 'CHG-1', idemKey: randomUUID() })).ended).toBe(
      'ticket_required',
    )
    expect(changes()).toBe(before)
  })

  it('rejects unknown fields by name (mass assignment)', async () => {
    const saw = await flag({ env: 'dev', rolloutPct: 5, evil: 'oops', idemKey: randomUUID() })
    expect(saw.text).toMatch(/unknown field evil/i)
    expect(saw.wire).not.toContain('oops')
    const deep = await gate.call('crm.bulk_update', {
      segment: 'trial',
      set: { status: 'active', role: 'admin' },
      count: 1,
    })
    expect(deep.text).toMatch(/unknown field set\.role/i)
  })

  it('keeps rolloutPct in bounds, whatever number it is', async () => {
    const number = fc.oneof(
      fc.integer({ min: -100, max: 200 }),
      fc.double({ min: -100, max: 200, noNaN: true }),
      fc.constantFrom(-0, 0, 100, 100.00000001, -0.00000001, Number.MAX_SAFE_INTEGER, 5e-324),
    )
    await fc.assert(
      fc.asyncProperty(number, async (rolloutPct) => {
        const before = changes()
        const saw = await flag({ env: 'dev', rolloutPct, idemKey: randomUUID() })
        const fits = rolloutPct >= 0 && rolloutPct <= 100
        expect(saw.ended).toBe(fits ? 'ok' : 'invalid_arguments')
        expect(changes() - before).toBe(fits ? 1 : 0)
        if (fits) expect(saw.structured).toMatchObject({ rolloutPct: rolloutPct + 0 })
        else expect(saw.structured).toMatchObject({ denied: { field: 'rolloutPct' } })
      }),
      { numRuns: 60 },
    )
  })

  it.each([['50'], [null], [[50]], [{ $gt: 0 }], [true], ['']])('refuses %j as a percentage', async (rolloutPct) => {
    const saw = await flag({ env: 'dev', rolloutPct, idemKey: randomUUID() })
    expect(saw.structured).toMatchObject({ denied: { code: 'invalid_arguments', field: 'rolloutPct' } })
  })

  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://metadata.google.internal/',
    'http://127.0.0.1:8788/metrics',
    'http://localhost/',
    'http://10.0.0.1/',
    'http://192.168.1.1/',
    'http://172.16.0.1/',
    'http://0.0.0.0/',
    'http://[::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://0xa9fea9fe/',
    'https://user:pw@example.com/',
  ])('denies SSRF: %s', async (url) => {
    const saw = await fetchSafe(url)
    expect(saw.text).toMatch(/^DENY (policy_denied|egress_denied): /)
    expect(saw.wire).not.toContain('169.254')
  })

  it('denies a destination that nobody listed', async () => {
    expect((await fetchSafe('https://example.com/')).text).toMatch(/^DENY policy_denied: Denied: /)
  })

  it('exports with masked contacts, and a caller can only add masks', async () => {
    for (const more of [{}, { mask: [] }, { mask: ['email'] }, { mask: ['email', 'phone'] }]) {
      const saw = await gate.call('orders.export', { from: '2025-08-25', to: '2025-08-31', ...more })
      const { rows, count } = saw.structured as { rows: readonly { email?: string; phone?: string }[]; count: number }
      expect(rows).toHaveLength(count)
      expect(count).toBeGreaterThan(50)
      expect(new Set(rows.map(({ email }) => email))).toEqual(new Set(['***@***']))
      expect(new Set(rows.map(({ phone }) => phone))).toEqual(new Set(['***-***']))
      expect(saw.wire).not.toMatch(/[a-z0-9]@[a-z0-9]/i)
    }
  })

  it('shows contacts to who may see them, and not when they ask for a mask', async () => {
    const as = { grants: ['orders.read', 'orders.read:unmasked'] }
    const args = { from: '2025-08-25', to: '2025-08-25' }
    const rows = (saw: Seen) => (saw.structured as { rows: readonly { email: string; phone: string }[] }).rows
    expect(rows(await gate.call('orders.export', args, { as }))[0]?.email).toMatch(/^[^*@]+@[^*@]+$/)
    const masked = rows(await gate.call('orders.export', { ...args, mask: ['email'] }, { as }))
    expect(masked.every(({ email, phone }) => email === '***@***' && phone !== '***-***')).toBe(true)
  })

  it('answers OK (idempotent) to a repeat, and changes nothing twice', async () => {
    const args = { env: 'staging', rolloutPct: 10, idemKey: randomUUID() }
    const first = await flag(args)
    const before = changes()
    const second = await flag(args)
    expect(first.text).toMatch(/^Flag checkout_v2 is at 10 % in staging/)
    expect(second.text).toBe(`OK (idempotent): ${first.text}`)
    expect(second.structured).toEqual(first.structured)
    expect(changes()).toBe(before)
  })

  it('requires an idemKey for a write, and a UUID', async () => {
    expect((await flag({ env: 'dev', rolloutPct: 5 })).ended).toBe('idempotency_key_required')
    expect((await flag({ env: 'dev', rolloutPct: 5, idemKey: 'again' })).structured).toMatchObject({
      denied: { code: 'invalid_arguments', field: 'idemKey' },
    })
  })

  it('refuses what is another tenant’s', async () => {
    const args = { from: '2025-09-01', to: '2025-09-01' }
    for (const field of ['tenant', 'tenantId', 'x-tenant'])
      expect((await gate.call('orders.export', { ...args, [field]: 'globex' })).text).toMatch(/unknown field/i)
    expect((await gate.call('orders.export', args, { as: { tenant: 'globex', region: 'US' } })).ended).toBe(
      'region_unavailable',
    )
    expect((await gate.call('orders.export', args, { as: { tenant: 'umbrella' } })).ended).toBe('region_unavailable')
    const own = await gate.call('orders.export', args, { as: { tenant: 'globex' } })
    expect(own.wire).toContain('globex-eu-')
    expect(own.wire).not.toContain('acme-')
  })

  it('keeps one tenant’s flags from another', async () => {
    const args = { name: 'shared_name', env: 'dev', rolloutPct: 7 }
    const acme = await gate.call('flag.set', { ...args, idemKey: randomUUID() })
    const globex = await gate.call('flag.set', { ...args, idemKey: randomUUID() }, { as: { tenant: 'globex' } })
    expect([acme, globex].map(({ structured }) => structured?.['created'])).toEqual([true, true])
  })

  it('takes quotes and payloads for what they are', async () => {
    const payload = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.constantFrom(
        `'; DROP TABLE flags; --`,
        `" or ""="`,
        '../../../etc/passwd',
        '%2e%2e%2fflags',
        '{{7*7}}',
        '$(id)',
        '<script>alert(1)</script>',
        'a\r\nx-tenant: globex',
        'constructor',
        '__proto__',
      ),
    )
    await fc.assert(
      fc.asyncProperty(payload, async (name) => {
        const saw = await flag({ name, env: 'dev', rolloutPct: 1, idemKey: randomUUID() })
        if (saw.ended === 'ok') expect(saw.structured).toMatchObject({ name })
        else expect(saw.structured).toMatchObject({ denied: { code: 'invalid_arguments', field: 'name' } })
        expect(saw.ended).not.toBe('internal')
      }),
      { numRuns: 60 },
    )
  })
})
