import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { allGrants, openTestGateway, type TestGateway } from '../support/gateway.ts'

/* P9. Fairness is counted, not timed; the ratio of the neighbours' p99 with and without the noise is printed. */

const noise = Number(process.env['SLUICEGATE_NOISE'] ?? 500)
const neighbours = Math.ceil(noise / 12.5)
const agents = 10

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Most requests that were under way at one time, for one tenant and for all. */
interface Most {
  all: number
  readonly of: Map<string, number>
}

/** A service that takes a few milliseconds, and fails whoever it is told to. */
async function service(fails: (tenant: string) => boolean) {
  const most: Most = { all: 0, of: new Map() }
  const under = new Map<string, number>()
  const count = (tenant: string, by: number) => under.set(tenant, (under.get(tenant) ?? 0) + by)
  const server = createServer((request, response) => {
    const tenant = String(request.headers['x-tenant'])
    count(tenant, 1)
    most.of.set(tenant, Math.max(most.of.get(tenant) ?? 0, under.get(tenant) ?? 0))
    most.all = Math.max(most.all, [...under.values()].reduce((sum, n) => sum + n, 0)) // prettier-ignore
    setTimeout(() => {
      count(tenant, -1)
      response.writeHead(fails(tenant) ? 500 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ total: 0, orders: [] }))
    }, 3)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closing.push(() => server.close(), () => server.closeAllConnections()) // prettier-ignore
  return { most, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function bench(over: object, fails: (tenant: string) => boolean = () => false, queueMax = 128) {
  const { most, url } = await service(fails)
  const regions = { 'us-east': url, 'eu-west': url }
  const orders = { regions, concurrency: 8, queue: { max: queueMax, waitMs: 10_000 } }
  const gate = await openTestGateway({
    over: { detector: { stages: { default: 'off' } }, services: { orders }, ...over },
  })
  closing.push(() => gate.close())
  return { gate, most }
}

/** One call; each asks for something else, so that nobody takes it for a loop. */
function call(gate: TestGateway, tenant: string, sub: string, n: number) {
  const day = new Date(Date.UTC(2000, 0, 1 + n)).toISOString().slice(0, 10)
  return gate.call('orders.export', { from: day, to: day }, { as: { tenant, sub, grants: allGrants } })
}

/** Calls of the neighbour, one after the other: how each ended, and how long it took. `beside` is called before each. */
async function neighbour(gate: TestGateway, from: number, beside: (n: number) => void = () => {}) {
  const endings: string[] = []
  const times: number[] = []
  for (let n = 0; n < neighbours; n += 1) {
    beside(n)
    const began = performance.now()
    endings.push((await call(gate, 'initech', 'agent:quiet', from + n)).ended)
    times.push(performance.now() - began)
  }
  return { endings, p99Ms: times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? 0 }
}

/** The noisy tenant: with each of the neighbour's calls come a dozen of its own, from ten agents, all at once. */
function makeNoise(gate: TestGateway) {
  const calls: Promise<string>[] = []
  const burst = (n: number) => {
    for (
      let index = Math.floor((n * noise) / neighbours);
      index < Math.floor(((n + 1) * noise) / neighbours);
      index += 1
    )
      calls.push(call(gate, 'acme', `agent:loud-${index % agents}`, index).then(({ ended }) => ended))
  }
  return { burst, endings: () => Promise.all(calls) }
}

const fast = { rpm: 1_000_000, burst: 100_000, concurrency: 1_000 }
const quiet = { principal: 'agent:quiet', limits: fast }
const loud = Array.from({ length: agents }, (_, index) => ({ principal: `agent:loud-${index}`, limits: fast }))

async function withNoise(gate: TestGateway) {
  const alone = await neighbour(gate, 0)
  const noisy = makeNoise(gate)
  const beside = await neighbour(gate, neighbours, noisy.burst)
  const endings = await noisy.endings()
  const ratio = (beside.p99Ms / alone.p99Ms).toFixed(2)
  process.stdout.write(
    `noisy-tenant: p99 of a neighbour ${alone.p99Ms.toFixed(1)} ms alone, ${ratio} times that beside ${noise} calls of the noisy one\n`,
  )
  return { beside, noisy: endings }
}

const allOk = Array.from({ length: neighbours }, () => 'ok')

describe('One tenant at fifty times its limit costs its neighbours no error', () => {
  it(
    'when it has a limit: the rest of its calls end as rate_limited, and no call of a neighbour does',
    async () => {
      const limits = { tenants: { acme: { rpm: 60, burst: Math.ceil(noise / 50) } } }
      const { gate } = await bench({ limits, principals: [quiet, ...loud] }, () => false, 1_000)
      const { beside, noisy } = await withNoise(gate)
      expect(beside.endings).toEqual(allOk)
      const passed = noisy.filter((ended) => ended === 'ok').length
      expect(new Set(noisy)).toEqual(new Set(['ok', 'rate_limited']))
      expect(passed).toBeGreaterThanOrEqual(Math.ceil(noise / 50))
      expect(passed).toBeLessThan(noise / 5)
    },
    180_000 + noise * 50,
  )

  it(
    'when it has none: it never holds more than half of the places, so that a neighbour always finds one',
    async () => {
      const { gate, most } = await bench({ principals: [quiet, ...loud] }, () => false, 8)
      const { beside, noisy } = await withNoise(gate)
      expect(beside.endings).toEqual(allOk)
      expect(most.all).toBeLessThanOrEqual(8)
      expect(most.of.get('acme')).toBeLessThanOrEqual(4)
      expect(new Set(noisy)).toEqual(new Set(['ok', 'upstream_unavailable']))
    },
    180_000 + noise * 50,
  )

  it(
    'when all its calls fail on purpose: the breaker does not open for its neighbours',
    async () => {
      const { gate } = await bench({ principals: [quiet, ...loud] }, (tenant) => tenant === 'acme')
      const { beside, noisy } = await withNoise(gate)
      expect(beside.endings).toEqual(allOk)
      expect(noisy).not.toContain('ok')
      expect(noisy.filter((ended) => ended === 'upstream_failed').length).toBeGreaterThan(0)
    },
    180_000 + noise * 50,
  )
})
