import { request } from 'node:http'
import { expect, it } from 'vitest'
import { openTestGateway } from '../support/gateway.ts'

/** Addresses of this machine that the gateway takes for different callers; other systems have only one of them. */
const addresses = Array.from({ length: 25 }, (_, index) => `127.0.1.${index + 1}`)
const each = 40

it.runIf(process.platform === 'linux')(
  'a thousand attempts without a token, from many addresses, leave three hundred records and what a minute allows: the rest is answered 429',
  async () => {
    await using gateway = await openTestGateway()
    const begunMs = Date.now()
    const rounds = Array.from({ length: each }, () => Promise.all(addresses.map((from) => attempt(gateway.mcp, from))))
    const statuses = (await Promise.all(rounds)).flat()
    const refilled = Math.ceil(((Date.now() - begunMs) / 60_000) * 300)
    const refused = statuses.filter((status) => status === 401).length
    expect(refused).toBeGreaterThanOrEqual(300)
    expect(refused).toBeLessThanOrEqual(300 + refilled)
    expect(statuses.filter((status) => status === 429)).toHaveLength(addresses.length * each - refused)
    const records = (await gateway.records()).filter(({ decision }) => decision?.reasonCode === 'unauthenticated')
    expect(records).toHaveLength(refused)
    // Whoever shows a token is not held up by them.
    expect((await gateway.call('orders.export', { from: '2025-09-01', to: '2025-09-01' })).ended).toBe('ok')
  },
)

function attempt(mcp: string, localAddress: string): Promise<number> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  return new Promise((resolve, reject) => {
    const sent = request(mcp, { method: 'POST', localAddress, headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end('{}')
  })
}
