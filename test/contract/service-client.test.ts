import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Faults } from '../../src/demo/service/faults.ts'
import type { Service } from '../../src/demo/service/start.ts'
import type { ServiceClientOptions } from '../../src/adapters/service-http.ts'
import { defaultGuard, type Guard } from '../../src/limits/guard.ts'
import type { OpenPart } from '../../src/ports/observer.ts'
import { ToolRefusal, type ServiceRequest } from '../../src/ports/tool.ts'
import { aClient, aService } from '../support/demo-services.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function joined(faults: Faults = {}, more: Partial<ServiceClientOptions> = {}) {
  const service = await aService('us-east', { faults })
  const { client, pauses } = aClient({ 'us-east': service.url }, more)
  closing.push(
    () => service.close(),
    () => client.close(),
  )
  return { service, client, pauses }
}

/** A service that answers with one thing, whatever it is asked. */
async function answering(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
  guard: Partial<Guard> = {},
) {
  let requests = 0
  const server = createServer((_request, response) => {
    requests += 1
    response.writeHead(status, headers).end(body)
  })
  const guards = { flags: { ...defaultGuard, ...guard } }
  const { client, pauses } = aClient({ 'us-east': await urlOf(server) }, { guards })
  closing.push(
    () => server.close(),
    () => client.close(),
  )
  return { client, pauses, requests: () => requests }
}

async function urlOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const context = (more = {}) => ({ tenant: 'acme', region: 'us-east', signal: new AbortController().signal, ...more })
const read: ServiceRequest = { service: 'flags', method: 'GET', path: '/flags' }
const write: ServiceRequest = { service: 'flags', method: 'PUT', path: '/flags/x/dev', body: { rolloutPct: 5 } }
const arrived = (service: Service) =>
  service.requests().filter(({ method }) => method === 'GET' || method === 'PUT').length

describe('the service client', () => {
  it('brings back what the service answers, 4xx included', async () => {
    const { client } = await joined()
    const call = client(context())
    expect(await call(read)).toMatchObject({ status: 200, body: { flags: expect.any(Array) as unknown } })
    expect((await call({ ...read, path: '/orders/none' })).status).toBe(404)
  })

  it('encodes what it puts into a query', async () => {
    const { client, service } = await joined()
    await client(context())({
      service: 'orders',
      method: 'GET',
      path: '/orders',
      query: { from: '2025-08-01&x=1', to: 'ü' },
    })
    expect(service.requests().at(-1)?.path).toBe('/orders?from=2025-08-01%26x%3D1&to=%C3%BC')
  })

  it('sends its own credential, the tenant, the trace and the operation id, and nothing else of the caller', async () => {
    const { client, service } = await joined()
    const part: OpenPart = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', end: () => 0 }
    await client(context({ begin: () => part, tracestate: 'a=1', operationId: 'op-12345678' }))(write)
    const seen = service.requests().at(-1)
    expect(seen).toMatchObject({
      tenant: 'acme',
      operationId: 'op-12345678',
      traceparent: part.traceparent,
      tracestate: 'a=1',
    })
    expect(seen?.headerNames.filter((name) => !expected.includes(name))).toEqual([])
  })

  it('ends its span with the method and the status, or with what went wrong', async () => {
    const { client } = await joined({}, { retriesMax: 0 })
    const ends: unknown[] = []
    const begin = (): OpenPart => ({
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      end: (facts) => ends.push(facts),
    })
    await client(context({ begin }))(read)
    await client(context({ begin, region: 'eu-west' }))(read).catch(() => {})
    expect(ends).toEqual([
      { 'http.request.method': 'GET', 'http.response.status_code': 200 },
      { 'http.request.method': 'GET', 'error.type': 'failed' },
    ])
  })

  it('sends nothing once a switch stops the call, however long ago it was allowed', async () => {
    const { client, service } = await joined({ failNext: 1 })
    await expect(client(context({ stopped: () => arrived(service) > 0 }))(read)).rejects.toMatchObject({
      code: 'upstream_unavailable',
    })
    expect(arrived(service)).toBe(1)
    await expect(client(context({ stopped: () => true }))(write)).rejects.toMatchObject({ failure: 'stopped' })
    expect(arrived(service)).toBe(1)
  })

  it('refuses a region or a service it does not know, without a connection', async () => {
    const { client, service } = await joined()
    for (const region of ['eu-west', 'toString', '__proto__']) {
      const refused = client(context({ region }))(read)
      await expect(refused).rejects.toBeInstanceOf(ToolRefusal)
      await expect(refused).rejects.toMatchObject({ code: 'region_unavailable' })
    }
    await expect(client(context())({ ...read, service: 'constructor' })).rejects.toMatchObject({
      code: 'region_unavailable',
    })
    expect(service.requests()).toHaveLength(0)
  })

  describe('for a read', () => {
    it('tries twice more, after a pause of random length that grows', async () => {
      const { client, pauses, service } = await joined({ failNext: 2 })
      expect((await client(context())(read)).status).toBe(200)
      expect(arrived(service)).toBe(3)
      expect(pauses).toEqual([50, 100])
    })

    it('draws each pause from nothing up to its ceiling', async () => {
      const drawn = [0, 0.999]
      const { client, pauses } = await joined({ failNext: 2 }, { random: () => drawn.shift() ?? 0 })
      await client(context())(read)
      expect(pauses).toEqual([0, 199])
    })

    it('gives up after the third attempt', async () => {
      const { client, service } = await joined({ failNext: 9 })
      await expect(client(context())(read)).rejects.toMatchObject({ code: 'upstream_unavailable', failure: 'http_503' })
      expect(arrived(service)).toBe(3)
    })

    it('tries again after a cut connection', async () => {
      const { client, service } = await joined({ dropNext: 1 })
      expect((await client(context())(read)).status).toBe(200)
      expect(arrived(service)).toBe(2)
    })

    it('does not try again when the failure is no accident', async () => {
      const { client, requests } = await answering(500, '{}')
      await expect(client(context())(read)).rejects.toMatchObject({ code: 'upstream_failed', failure: 'http_500' })
      expect(requests()).toBe(1)
    })

    it('waits as long as the service asks, and a little more', async () => {
      const { client, pauses, requests } = await answering(503, '{}', { 'retry-after': '1' })
      await expect(client(context())(read)).rejects.toMatchObject({ code: 'upstream_unavailable', retryAfterMs: 1000 })
      expect(requests()).toBe(3)
      expect(pauses).toEqual([1050, 1100])
    })

    it('takes 429 for a wish to be asked later', async () => {
      const { client, pauses, requests } = await answering(429, '{}', { 'retry-after': '2' })
      expect(await client(context())(read)).toMatchObject({ status: 429, retryAfterMs: 2000 })
      expect([requests(), pauses]).toEqual([3, [2050, 2100]])
    })

    it.each([
      ['3', 3_000],
      ['86400', 60_000],
      ['Fri, 20 Nov 2026 12:00:05 GMT', 5_000],
    ])(
      'does not come back on its own to a service that asks for %s, and passes it on',
      async (header, retryAfterMs) => {
        const { client, requests } = await answering(503, '{}', { 'retry-after': header })
        await expect(client(context())(read)).rejects.toMatchObject({ retryAfterMs })
        expect(requests()).toBe(1)
      },
    )

    it.each(['soon', '-1', '1e9', ''])('makes nothing of %j', async (header) => {
      const { client, pauses } = await answering(503, '{}', { 'retry-after': header })
      await expect(client(context())(read)).rejects.toMatchObject({ code: 'upstream_unavailable' })
      expect(pauses).toEqual([50, 100])
    })

    it('stops trying again when retries become a tenth of the load', async () => {
      const { client, requests } = await answering(
        502,
        '{}',
        {},
        { breaker: { ...defaultGuard.breaker, failures: 1000, callsMin: 1000 } },
      )
      for (let count = 0; count < 100; count += 1) await client(context())(read).catch(() => {})
      expect(requests()).toBe(100 + 10 + 9)
    })

    it.each([
      ['a redirect', 302, '', { location: 'http://127.0.0.1:1/' }, 'http_302'],
      ['something that is not JSON', 200, '<html>', {}, 'not_json'],
      ['what two readers could read differently', 200, '{"total":1,"total":2}', {}, 'not_json'],
      ['a number no reader can hold', 200, '{"total":9007199254740993}', {}, 'not_json'],
      ['a field for the prototype', 200, '{"__proto__":{"total":1}}', {}, 'not_json'],
      ['a depth no answer has', 200, `${'['.repeat(40)}${']'.repeat(40)}`, {}, 'not_json'],
      ['more than the limit', 200, `"${'x'.repeat(5 * 1024 * 1024)}"`, {}, 'answer_too_large'],
    ])('takes %s for a failure', async (_what, status, body, headers, failure) => {
      const { client, requests } = await answering(status, body, headers)
      await expect(client(context())(read)).rejects.toMatchObject({ code: 'upstream_failed', failure })
      expect(requests()).toBe(1)
    })
  })

  describe('for a write', () => {
    it('never tries again once something was sent, and says that nobody knows', async () => {
      const { client, service, pauses } = await joined({ dropAfterNext: 1 })
      await expect(client(context({ operationId: 'op-87654321' }))(write)).rejects.toMatchObject({
        code: 'outcome_unknown',
      })
      expect(arrived(service)).toBe(1)
      expect(pauses).toEqual([])
    })

    it('takes 503 for a promise that nothing was done, and any other 5xx for none', async () => {
      const { client, service } = await joined({ failNext: 1 })
      await expect(client(context({ operationId: 'op-11111111' }))(write)).rejects.toMatchObject({
        code: 'upstream_unavailable',
      })
      expect(arrived(service)).toBe(1)
      const broken = await answering(500, '{}')
      await expect(broken.client(context())(write)).rejects.toMatchObject({
        code: 'outcome_unknown',
        failure: 'http_500',
      })
      expect(broken.requests()).toBe(1)
    })

    it('tries again when the connection was refused, because nothing was sent', async () => {
      const server = createServer()
      const url = await urlOf(server)
      await new Promise((resolve) => server.close(resolve))
      const { client, pauses } = aClient({ 'us-east': url })
      closing.push(() => client.close())
      await expect(client(context())(write)).rejects.toMatchObject({
        code: 'upstream_unavailable',
        failure: 'ECONNREFUSED',
      })
      expect(pauses).toHaveLength(2)
    })

    it('ends as unknown when the answer does not come in time', async () => {
      const server = createServer((request) => void request.resume())
      let expire = () => {}
      const received = once(server, 'request')
      const { client } = aClient(
        { 'us-east': await urlOf(server) },
        { sleep: () => new Promise((resolve) => (expire = resolve)) },
      )
      closing.push(
        () => server.closeAllConnections(),
        () => server.close(),
        () => client.close(),
      )
      const call = client(context())(write)
      await received
      expire()
      await expect(call).rejects.toMatchObject({ code: 'outcome_unknown', failure: 'timeout' })
    })

    it('leaves the tool call in doubt when a later request of it was not done', async () => {
      const faults: Faults = {}
      const { client } = await joined(faults)
      const call = client(context({ operationId: 'op-22222222' }))
      expect((await call(write)).status).toBe(200)
      faults.failNext = 1
      await expect(call(write)).rejects.toMatchObject({ code: 'outcome_unknown', failure: 'http_503' })
    })

    it('is not begun for a caller who has left', async () => {
      const { client, service } = await joined()
      const call = client(context({ signal: AbortSignal.abort() }))(write)
      await expect(call).rejects.toMatchObject({ code: 'upstream_unavailable', failure: 'aborted' })
      expect(service.requests()).toHaveLength(0)
    })
  })
})

const expected = [
  'host',
  'connection',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'content-type',
  'accept',
  'accept-encoding',
  'authorization',
  'x-tenant',
  'idempotency-key',
  'traceparent',
  'tracestate',
]
