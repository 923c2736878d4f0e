import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/clock-system.ts'
import type { Settled } from '../../src/call/handle.ts'
import type { CallRequest } from '../../src/call/receive.ts'
import { listenHttp, type HttpListener } from '../../src/server/http.ts'
import type { GatewayService } from '../../src/server/mcp.ts'
import { listenStdio } from '../../src/server/stdio.ts'
import { aProof, aReceipt, someone } from '../support/calls.ts'
import { openTestGateway } from '../support/gateway.ts'
import { initialize, legacyCall, modernCall, rpc, send } from '../support/wire.ts'

/* What a client does at the edge before, during and after its calls, and what ending the gateway does to those calls. */

/** A gateway whose calls end when a test says so. */
function slowService() {
  const calls: { request: CallRequest; end: (text: string) => void }[] = []
  const arrived = new EventTarget()
  let identified = 0
  const prove: GatewayService['prove'] = async ({ credential }) => {
    identified += 1
    if (credential.kind === 'bearer' && credential.token === 'flaky' && identified === 1)
      return { ok: false, code: 'unauthenticated', why: 'the first look failed' }
    if (credential.kind === 'none') return { ok: false, code: 'unauthenticated', why: 'no token was shown' }
    return { ok: true, who: someone, proof: aProof }
  }
  const service: GatewayService = {
    prove,
    identify: prove,
    call: (request) =>
      new Promise<Settled>((resolve) => {
        const end = (text: string) => resolve({ outcome: { kind: 'ok', answer: saying(text) }, receipt: aReceipt })
        calls.push({ request, end })
        if (request.credential.kind === 'none') end('refused')
        arrived.dispatchEvent(new Event('call'))
      }),
    stopped: () => undefined,
    tools: () => [],
  }
  return { service, calls, arrival: () => once(arrived, 'call') }
}

/** Long enough for a listener that does not wait to have ended. */
async function aWhile(): Promise<void> {
  for (let turns = 0; turns < 10; turns += 1) await new Promise((resolve) => setImmediate(resolve))
}

const saying = (text: string) => ({ content: [{ type: 'text' as const, text }], isError: false })

const listeners: HttpListener[] = []
afterEach(async () => void (await Promise.all(listeners.splice(0).map((listener) => listener.close()))))

async function listening(service: GatewayService, drainMs = 8_000): Promise<HttpListener> {
  const fault = (error: unknown) => {
    throw error
  }
  const where = { host: '127.0.0.1', port: 0, authorizationServers: [], scopes: [] }
  const drain = { drainMs, abortMs: 0 }
  const listener = await listenHttp({ ...where, service, clock: systemClock(), fault, drain })
  listeners.push(listener)
  return listener
}

async function raw(url: string, text: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(text.replaceAll('\n', '\r\n'))
  return socket
}

async function openSession(url: string): Promise<Record<string, string>> {
  const { headers } = await rpc(url, 'token', initialize)
  return { 'mcp-session-id': String(headers['mcp-session-id']), 'mcp-protocol-version': '2025-11-25' }
}

describe('a gateway that is told to stop', () => {
  it.each(['2026-07-28', '2025-11-25'])('answers the calls under way first: %s', async (revision) => {
    const { service, calls, arrival } = slowService()
    const listener = await listening(service)
    const modern = modernCall('x', {})
    const old = revision === '2025-11-25' && { body: legacyCall('x', {}), headers: await openSession(listener.url) }
    const { body, headers } = old || modern
    const seen = arrival()
    const answer = rpc(listener.url, 'token', body, { ...headers, connection: 'keep-alive' })
    await seen
    const closed = listener.close()
    await aWhile()
    expect(calls[0]?.request.signal.aborted).toBe(false)
    calls[0]?.end('finished')
    const { status, message, headers: got } = await answer
    expect([status, message.result?.content?.[0]?.text]).toEqual([200, 'finished'])
    expect(got['connection']).toBe('close')
    await closed
  })

  it('aborts a call that takes too long, and does not wait for ever', async () => {
    const { service, calls, arrival } = slowService()
    const listener = await listening(service, 20)
    const { body, headers } = modernCall('x', {})
    const seen = arrival()
    const answer = rpc(listener.url, 'token', body, headers).catch(() => undefined)
    await seen
    await listener.close()
    expect(calls[0]?.request.signal.aborted).toBe(true)
    await answer
  })

  it('does not wait for a request that is never sent whole', async () => {
    const listener = await listening(slowService().service)
    const head = 'POST /mcp HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer token\nContent-Type: application/json\n'
    const half = await raw(listener.url, `${head}Content-Length: 100\n\n{`)
    const cut = new Promise((resolve) => half.on('error', () => undefined).once('close', resolve))
    await listener.close()
    await cut
  })

  it('answers the calls under way on stdio, though the input has ended', async () => {
    const { service, calls, arrival } = slowService()
    const [input, output] = [new PassThrough(), new PassThrough()]
    const said: string[] = []
    output.on('data', (chunk: Buffer) => said.push(chunk.toString()))
    const credential = { kind: 'process', processId: 'p' } as const
    const listener = await listenStdio({ service, shows: () => credential, input, output, fault: () => undefined })
    const seen = arrival()
    input.write(`${JSON.stringify(initialize)}\n`)
    input.end(`${JSON.stringify(legacyCall('x', {}, 7))}\n`)
    await listener.ended
    await seen
    const closed = listener.close()
    await aWhile()
    expect(calls[0]?.request.signal.aborted).toBe(false)
    calls[0]?.end('finished')
    await closed
    expect(said.join('')).toContain('finished')
  })
})

describe('a call that its client cancels', () => {
  it('ends its response once the call has settled', async () => {
    const { service, calls, arrival } = slowService()
    const { url } = await listening(service)
    const session = await openSession(url)
    const seen = arrival()
    const answer = rpc(url, 'token', legacyCall('x', {}, 77), session)
    await seen
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 77 } }
    expect((await rpc(url, 'token', cancel, session)).status).toBe(202)
    expect(calls[0]?.request.signal.aborted).toBe(true)
    calls[0]?.end('too late')
    expect(await answer).toMatchObject({ status: 200, text: '' })
  })
})

describe('a caller without a valid token', () => {
  it('is answered before its body is read', async () => {
    const { url } = await listening(slowService().service)
    const head = 'POST /mcp HTTP/1.1\nHost: 127.0.0.1\nContent-Type: application/json\nContent-Length: 1000\n\n'
    const socket = await raw(url, head)
    const [first] = (await once(socket, 'data')) as [Buffer]
    expect(first.toString()).toMatch(/^HTTP\/1\.1 401 /)
    socket.destroy()
  })

  it('runs nothing when a second look would find the token valid', async () => {
    const { service, calls } = slowService()
    const { url } = await listening(service)
    const { body, headers } = modernCall('flag.set', { name: 'a' })
    expect((await rpc(url, 'flaky', body, headers)).status).toBe(401)
    expect(calls.map(({ request }) => [request.toolName, request.credential])).toEqual([
      ['_OTHER', { kind: 'none', refused: { ok: false, code: 'unauthenticated', why: 'the first look failed' } }],
    ])
  })

  it('is proven once per request, and the token goes no further than the edge', async () => {
    const { service, calls, arrival } = slowService()
    const shown: string[] = []
    const { url } = await listening({
      ...service,
      prove: (caller) => (shown.push(caller.credential.kind), service.prove(caller)),
      identify: (caller) => (shown.push(caller.credential.kind), service.identify(caller)),
    })
    const { body, headers } = modernCall('x', {})
    const seen = arrival()
    const answer = rpc(url, 'the-token-itself', body, headers)
    await seen
    calls[0]?.end('finished')
    expect((await answer).status).toBe(200)
    expect(shown).toEqual(['bearer', 'proven'])
    expect(calls[0]?.request.credential).toEqual({ kind: 'proven', proof: aProof })
    expect(inspect(calls[0]?.request, { depth: 10, showHidden: true })).not.toContain('the-token-itself')
  })

  it('cannot fill the log: beyond a bound it is answered 429, and nothing is written', async () => {
    await using gateway = await openTestGateway()
    const attempts = await Promise.all(Array.from({ length: 200 }, () => send(gateway.mcp, { body: '{}' })))
    const records = (await gateway.records()).filter(({ decision }) => decision?.reasonCode === 'unauthenticated')
    const held = attempts.filter(({ status }) => status === 429)
    expect(attempts.filter(({ status }) => status === 401)).toHaveLength(200 - held.length)
    expect(records).toHaveLength(200 - held.length)
    expect(new Set(held.map(({ headers }) => headers['retry-after']))).toEqual(new Set(['1']))
    // Whoever only needs a new token still learns where to get one.
    const begin = new Set(held.map(({ headers }) => headers['www-authenticate']?.split('"http', 1)[0]))
    expect(begin).toEqual(new Set(['Bearer error="invalid_token", resource_metadata=']))
    expect((await rpc(gateway.mcp, gateway.token(), initialize)).status).toBe(200)
  })
})

describe('a principal that opens sessions without end', () => {
  it('is told 429, and others still open theirs', async () => {
    await using gateway = await openTestGateway()
    const greedy = gateway.token({ sub: 'agent:greedy' })
    const opened = await Promise.all(Array.from({ length: 65 }, () => rpc(gateway.mcp, greedy, initialize)))
    expect(opened.map(({ status }) => status).toSorted()).toEqual([...Array<number>(64).fill(200), 429])
    expect((await rpc(gateway.mcp, greedy, initialize)).headers['retry-after']).toBe('60')
    expect((await rpc(gateway.mcp, gateway.token({ tenant: 'globex' }), initialize)).status).toBe(200)
  })
})

describe('the operators’ listener', () => {
  it('blames the caller for a path or a method that is wrong', async () => {
    await using gateway = await openTestGateway()
    const headers = { authorization: `Bearer ${gateway.adminToken}` }
    const ask = (method: string, path: string) => send(`${gateway.admin}${path}`, { method, headers })
    expect((await ask('DELETE', '/api/v1/switches/%')).status).toBe(400)
    const answer = await ask('PUT', '/api/v1/switches')
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, POST'])
    expect((await ask('POST', '/healthz')).status).toBe(405)
    expect((await ask('GET', '/nowhere')).status).toBe(404)
  })
})
