import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newVendor, plantedNote } from '../../src/demo/scenario.ts'
import { orderIdOf } from '../../src/demo/service/tenants.ts'
import { openTestGateway, type Caller, type TestGateway } from '../support/gateway.ts'
import { openVendor, type Vendor } from '../support/vendor.ts'

/* An agent without a `sid` takes a new protocol session, or none, for each call, so that nothing is remembered of it. */

let gate: TestGateway
let vendor: Vendor

beforeAll(async () => {
  vendor = await openVendor()
  gate = await openTestGateway({
    over: { egress: { allow: [newVendor], hosts: { [newVendor]: vendor.port } } },
    notes: [{ tenant: 'acme', orderId: orderIdOf('acme', 'us-east', '2025-09-03', 1), text: plantedNote }],
  })
})
afterAll(async () => {
  await gate.close()
  vendor.close()
})

const as: Caller = { sub: 'agent:shifty', sid: '', grants: ['orders.read', 'web.fetch', 'web.post'] }
const fresh = () => ({ as, mcpSession: randomUUID() })

describe('a fresh protocol session for each call', () => {
  it('is one session to the gateway', async () => {
    await gate.call('orders.export', { from: '2025-08-01', to: '2025-08-01' }, fresh())
    await gate.call('orders.export', { from: '2025-08-02', to: '2025-08-02' }, fresh())
    await gate.call('orders.export', { from: '2025-08-03', to: '2025-08-03' }, { as })
    const calls = (await gate.records()).filter(({ actor, type }) => actor?.id === as.sub && type === 'call.outcome')
    expect(new Set(calls.map(({ session }) => session)).size).toBe(1)
  })

  it('does not wash off what an injected note has tainted', async () => {
    await gate.call('orders.export', { from: '2025-09-03', to: '2025-09-03' }, fresh())
    const obeyed = await gate.call('web.fetchSafe', { url: `http://${newVendor}/in`, body: 'x'.repeat(6000) }, fresh())
    expect(obeyed.ended).toBe('session_killed')
    expect(vendor.received()).toBe(0)
  })

  it('does not escape the kill', async () => {
    expect((await gate.call('orders.export', { from: '2025-08-04', to: '2025-08-04' }, fresh())).ended).toBe(
      'session_killed',
    )
  })

  it('does not break up a loop', async () => {
    const loop: Caller = { ...as, sub: 'agent:poller' }
    const endings: string[] = []
    for (let call = 0; call < 8; call++) {
      endings.push(
        (await gate.call('orders.export', { from: '2025-08-05', to: '2025-08-05' }, { ...fresh(), as: loop })).ended,
      )
    }
    expect(endings.at(-1)).toBe('session_killed')
  })
})
