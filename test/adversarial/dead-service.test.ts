import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { ServiceRequest, UpstreamError } from '../../src/ports/tool.ts'
import { defaultGuard } from '../../src/limits/guard.ts'
import { testClock } from '../support/clock.ts'
import { aClient, aService } from '../support/demo-services.ts'
import { faultProxy, type Fault } from '../support/fault-proxy.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Two services at two addresses; the flags behind a proxy that does what goes wrong. Time moves when told. */
async function bench() {
  const service = await aService('us-east')
  const proxy = await faultProxy(new URL(service.url))
  const clock = testClock()
  const seen: string[] = []
  const { client, gate } = aClient(
    {},
    {
      clock,
      services: { flags: { 'us-east': proxy.url }, orders: { 'us-east': service.url } },
      sleep: (ms, signal) => (ms === defaultGuard.timeoutMs ? aborted(signal) : Promise.resolve()),
      sight: { breaker: (target, state) => seen.push(`${target} ${state}`) },
    },
  )
  closing.push(
    () => service.close(),
    () => proxy.close(),
    () => client.close(),
  )
  const end = new AbortController()
  closing.push(() => end.abort())
  const call = (request: ServiceRequest, tenant = 'acme') =>
    client({ tenant, region: 'us-east', signal: end.signal, operationId: randomUUID() })(request)
  return { service, proxy, clock, seen, gate, call }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))

const read: ServiceRequest = { service: 'flags', method: 'GET', path: '/flags' }
const write: ServiceRequest = { service: 'flags', method: 'PUT', path: '/flags/x/dev', body: { rolloutPct: 5 } }
const elsewhere: ServiceRequest = { ...read, service: 'orders', path: '/orders?from=2025-09-01&to=2025-09-01' }

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    (error: UpstreamError) => error.failure,
  )

describe('A dead or slow service is left alone within a bounded number of failures, one probe at a time, and no other notices', () => {
  it.each<[string, Fault]>([
    ['drops every connection', 'drop'],
    ['cuts every answer', 'cut'],
  ])('when it %s', async (_what, fault) => {
    const { proxy, call, gate, seen } = await bench()
    proxy.become(fault)
    const failures = []
    for (let count = 0; count < 20; count += 1) failures.push(await failureOf(call(read)))
    expect(proxy.connections()).toBe(5)
    expect(failures.filter((failure) => failure === 'breaker_open').length).toBeGreaterThanOrEqual(18)
    expect(gate.breakers()).toMatchObject({ 'flags/us-east': 'open' })
    expect(seen).toEqual(['flags/us-east open'])
  })

  it('when it takes every request and answers none: after 1.5 s on the clock, whether calls have ended or not', async () => {
    const { proxy, call, clock, gate } = await bench()
    proxy.become('half-open')
    for (let count = 0; count < 5; count += 1) void failureOf(call(read))
    while (proxy.connections() < 5) await new Promise(setImmediate)
    expect(gate.breakers()).toMatchObject({ 'flags/us-east': 'closed' })
    clock.advance(1_501)
    expect(await failureOf(call(read))).toBe('breaker_open')
    expect(proxy.connections()).toBe(5)
  })

  it.each<[string, Fault]>([
    ['late', { latencyMs: 20 }],
    ['a byte at a time', { byteEveryMs: 1 }],
  ])(
    'when it answers all, but %s: an answer that took longer than it may is used, and counts as a failure',
    async (_how, fault) => {
      const { proxy, call, clock, gate } = await bench()
      proxy.become(fault)
      for (let count = 1; count <= 5; count += 1) {
        const late = failureOf(call({ ...read, path: '/none' }))
        await new Promise(setImmediate)
        clock.advance(1_501)
        expect(await late).toBe('ok')
      }
      expect(gate.breakers()).toMatchObject({ 'flags/us-east': 'open' })
    },
  )

  it('and other services answer as before, while it is dead and while it is probed', async () => {
    const { proxy, call, clock } = await bench()
    proxy.become('drop')
    const others: string[] = []
    for (let round = 0; round < 30; round += 1) {
      await failureOf(call(read))
      others.push(await failureOf(call(elsewhere)))
      clock.advance(500)
    }
    expect(others).toEqual(Array.from({ length: 30 }, () => 'ok'))
  })

  it('and one call at a time asks whether it is back; the others are told when to come, and no socket opens for them', async () => {
    const { proxy, call, clock } = await bench()
    proxy.become('drop')
    for (let count = 0; count < 5; count += 1) await failureOf(call(read))
    const before = proxy.connections()
    proxy.become('half-open')
    clock.advance(2_000)
    const answers = Array.from({ length: 50 }, (_, index) => failureOf(call(read, `tenant-${index}`)))
    expect(await Promise.all(answers.slice(1))).toEqual(Array.from({ length: 49 }, () => 'breaker_open'))
    while (proxy.connections() === before) await new Promise(setImmediate)
    expect(proxy.connections()).toBe(before + 1)
  })

  it('and whoever waits as long as it was told succeeds, once the service is back', async () => {
    const { proxy, call, clock, seen } = await bench()
    proxy.become('drop')
    for (let count = 0; count < 5; count += 1) await failureOf(call(read))
    proxy.become('fine')
    const refused = await call(read).catch((error: UpstreamError) => error)
    const { retryAfterMs = 0 } = refused as UpstreamError
    clock.advance(retryAfterMs - 1)
    expect(await failureOf(call(read))).toBe('breaker_open')
    clock.advance(1)
    expect(await failureOf(call(read))).toBe('ok')
    expect(seen).toEqual(['flags/us-east open', 'flags/us-east closed'])
  })

  it('and a write that was not sent is not left in doubt', async () => {
    const { proxy, call, service } = await bench()
    proxy.become('drop')
    for (let count = 0; count < 5; count += 1) await failureOf(call(read))
    await expect(call(write)).rejects.toMatchObject({ code: 'upstream_unavailable', failure: 'breaker_open' })
    expect(service.requests().filter(({ method }) => method === 'PUT')).toEqual([])
  })

  it('but a service that refuses requests with 4xx is not taken for dead', async () => {
    let requests = 0
    const server = createServer((_request, response) => {
      requests += 1
      response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { client } = aClient({ 'us-east': `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    closing.push(
      () => server.close(),
      () => client.close(),
    )
    const context = { tenant: 'acme', region: 'us-east', signal: new AbortController().signal }
    for (let count = 0; count < 50; count += 1) expect((await client(context)(read)).status).toBe(404)
    expect(requests).toBe(50)
  })
})
