import { connect } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/clock-system.ts'
import type { Settled } from '../../src/call/handle.ts'
import type { Dials } from '../../src/server/dials.ts'
import { listenHttp, type HttpListener } from '../../src/server/http.ts'
import { openListener, type ListenerTls } from '../../src/server/listener.ts'
import type { GatewayService } from '../../src/server/mcp.ts'
import { aProof, aReceipt, someone } from '../support/calls.ts'
import { authority } from '../support/certificates.ts'
import { slowClient, slownesses } from '../support/slow-client.ts'
import { until } from '../support/until.ts'
import { modernCall, rpc, send } from '../support/wire.ts'

const clients = Number(process.env['SLUICEGATE_SLOW_CLIENTS'] ?? 100)

/** Larger than what the system's own buffers take of an answer that nobody reads. */
const large = 'x'.repeat(6 * 1024 * 1024)

const prove: GatewayService['prove'] = async ({ credential }) =>
  credential.kind === 'none'
    ? { ok: false, code: 'unauthenticated', why: 'no token was shown' }
    : { ok: true, who: someone, proof: aProof }

function serviceThat(counts: () => void): GatewayService {
  const call: GatewayService['call'] = async ({ toolName }) => {
    counts()
    return settled(toolName === 'large' ? large : 'small')
  }
  return { prove, identify: prove, call, stopped: () => undefined, tools: () => [] }
}

const settled = (text: string): Settled => ({
  outcome: { kind: 'ok', answer: { content: [{ type: 'text' as const, text }], isError: false } },
  receipt: aReceipt,
})

const ours = authority('ours')
const tls: ListenerTls = { clientCert: 'none', current: () => ours.issue('gate'), follow: () => undefined }

const opened: HttpListener[] = []
afterEach(async () => void (await Promise.all(opened.splice(0).map((listener) => listener.close()))))

async function listening(more: { readonly tls?: ListenerTls; readonly dials?: Partial<Dials> } = {}) {
  const cuts: Record<string, number> = {}
  let calls = 0
  const listener = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    authorizationServers: [],
    scopes: [],
    service: serviceThat(() => (calls += 1)),
    clock: systemClock(),
    fault: (error) => {
      throw error
    },
    drain: { drainMs: 0, abortMs: 0 },
    cut: (reason) => (cuts[reason] = (cuts[reason] ?? 0) + 1),
    ...more,
  })
  opened.push(listener)
  return { url: listener.url, port: Number(new URL(listener.url).port), cuts, calls: () => calls }
}

/** Bytes that are in use, after what is not has been collected. */
function inUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Honest calls, one after the other, until told to stop. */
function honest(url: string) {
  const stop = new AbortController()
  const statuses: number[] = []
  const work = async () => {
    while (!stop.signal.aborted) {
      const { body, headers } = modernCall('small', {})
      statuses.push((await rpc(url, 'token', body, headers)).status)
      await after(5)
    }
  }
  const ended = work()
  return {
    async stop() {
      stop.abort()
      await ended
      return statuses
    },
  }
}

it(
  `${clients} slow clients are all cut, honest calls succeed meanwhile, and memory is bounded`,
  async () => {
    const { url, port, cuts } = await listening()
    const warm = modernCall('large', {})
    await rpc(url, 'token', warm.body, warm.headers)
    const before = inUse()
    const calls = honest(url)
    const slow = Array.from({ length: clients }, (_, index) =>
      slowClient(port, slownesses[index % slownesses.length] ?? 'silent'),
    )
    await after(3_000)
    const grown = inUse() - before
    await until(() => Object.values(cuts).reduce((sum, count) => sum + count, 0) >= clients, 'all to be cut')
    slow.forEach((one) => one.wake())
    await until(() => slow.every((one) => one.closed()), 'all to be closed')
    const statuses = await calls.stop()

    expect(statuses.length).toBeGreaterThan(10)
    expect(statuses.filter((status) => status !== 200)).toEqual([])
    expect(grown).toBeLessThan(100 * 1024 * 1024)
    const each = clients / slownesses.length
    const { slow_request, slow_body, slow_reader = 0, held_answers = 0 } = cuts
    expect({ slow_request, slow_body, readers: slow_reader + held_answers }).toEqual({
      slow_request: 2 * each,
      slow_body: 2 * each,
      readers: each,
    })
  },
  180_000 + clients * 60,
)

/** Quick with those who have begun to send or to read, and patient with those who begin: they share a busy process. */
const patient = { headersMs: 60_000, requestMs: 60_000, handshakeMs: 60_000 }
const quick = { ...patient, lookEveryMs: 20, bodyMs: 100, readMs: 100 }

describe('a listener', () => {
  it('cuts a handshake that does not end', async () => {
    const { port, cuts } = await listening({ tls, dials: { ...quick, handshakeMs: 100 } })
    const silent = connect(port, '127.0.0.1')
    const half = connect(port, '127.0.0.1', () => half.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])))
    let closed = 0
    for (const one of [silent, half])
      one
        .on('error', () => undefined)
        .on('close', () => (closed += 1))
        .resume()
    await until(() => closed === 2)
    expect(cuts['handshake']).toBe(2)
  })

  it('cuts a slow reader over TLS as well', async () => {
    const { url, cuts } = await listening({ tls, dials: quick })
    const { body, headers } = modernCall('large', {})
    const tlsOf = { ca: ours.cert }
    const headersOf = { ...headers, authorization: 'Bearer token' }
    void send(url, { headers: headersOf, body: JSON.stringify(body), tls: tlsOf, unread: true }).catch(() => undefined)
    await until(() => cuts['slow_reader'] === 1)
    expect(cuts).toEqual({ slow_reader: 1 })
  })

  it('answers 408 to a body that does not come', async () => {
    const { port, cuts } = await listening({ dials: quick })
    const socket = connect(port, '127.0.0.1', () => socket.write(`${half}\r\n{`))
    let text = ''
    socket.on('data', (piece: Buffer) => (text += piece.toString()))
    await until(() => socket.closed)
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
    expect(cuts).toEqual({ slow_body: 1 })
  })

  it('does not blame the next request of a connection for a body that came after its answer', async () => {
    const { port, cuts } = await listening({ dials: { ...quick, bodyMs: 200 } })
    const anonymous = half.replace('Authorization: Bearer token\r\n', '')
    const socket = connect(port, '127.0.0.1', () => socket.write(`${anonymous}\r\n{`))
    let text = ''
    socket.on('data', (piece: Buffer) => (text += piece.toString()))
    await until(() => text.includes('401'))
    socket.write('x'.repeat(99))
    await after(500)
    socket.write('GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await until(() => text.includes('200 OK'))
    expect([socket.closed, cuts]).toEqual([false, {}])
    socket.destroy()
  })

  it('lets a reader be that takes its answer a piece at a time', async () => {
    const { url, cuts } = await listening({ dials: { ...quick, readMs: 400 } })
    const { body, headers } = modernCall('large', {})
    const answer = await send(url, {
      headers: { ...headers, authorization: 'Bearer token' },
      body: JSON.stringify(body),
      pauseMs: 3,
    })
    expect(answer.text).toContain(large.slice(0, 1000))
    expect(cuts).toEqual({})
  })

  it('gives up the answer that has waited longest when all together are too large', async () => {
    const { port, cuts, calls } = await listening({ dials: { heldBytesMax: Math.floor(2.5 * large.length) } })
    const readers: ReturnType<typeof slowClient>[] = []
    for (let count = 0; count < 4; count += 1) {
      readers.push(slowClient(port, 'slow reader'))
      await until(() => calls() === count + 1, 'its call')
      await after(150)
    }
    await until(() => cuts['held_answers'] === 2)
    readers.forEach((one) => one.wake())
    const whole = () => readers.map((one) => one.receivedBytes() > large.length)
    await until(() => whole().filter(Boolean).length === 2 && readers.filter((one) => one.closed()).length >= 2)
    expect(whole()).toEqual([false, false, true, true])
    expect(cuts).toEqual({ held_answers: 2 })
    readers.forEach((one) => one.destroy())
  })

  it('refuses a request with more than 64 headers or 8 KiB of them, and takes one with just as many', async () => {
    const { url } = await listening()
    const { body, headers } = modernCall('small', {})
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'y']))
    const own = Object.keys({ ...headers, authorization: '', accept: '', 'content-type': '', 'content-length': '', host: '', connection: '' }).length // prettier-ignore
    const status = async (more: Record<string, string>) =>
      (await rpc(url, 'token', body, { ...headers, ...more })).status
    expect(await status(many(64 - own))).toBe(200)
    expect(await status(many(65 - own))).toBe(431)
    expect(await status({ 'x-large': 'y'.repeat(9 * 1024) })).toBe(431)
  })

  it('answers once to headers far beyond the bound, in however many pieces they come', async () => {
    const { port, cuts } = await listening()
    const socket = connect(port, '127.0.0.1', () => socket.write(`${half}X-Large: ${'y'.repeat(1_400_000)}\r\n\r\n`))
    let text = ''
    socket.on('data', (piece: Buffer) => (text += piece.toString())).on('error', () => undefined)
    await until(() => socket.closed)
    expect([text.match(/HTTP\/1\.1 \d+/g), cuts]).toEqual([['HTTP/1.1 431'], { headers: 1 }])
  })

  it('takes at most so many connections, and from one address at most its share', async () => {
    const { port, cuts } = await listening({ dials: { connectionsPerAddressMax: 3 } })
    const sockets = Array.from({ length: 5 }, () => slowClient(port, 'silent'))
    await until(() => sockets.filter((one) => one.closed()).length === 2)
    expect(cuts).toEqual({ connections_per_address: 2 })
    sockets.forEach((one) => one.destroy())
    const few = await listening({ dials: { connectionsMax: 2 } })
    const three = Array.from({ length: 3 }, () => slowClient(few.port, 'silent'))
    await until(() => three.some((one) => one.closed()))
    expect(few.cuts).toEqual({ connections: 1 })
    three.forEach((one) => one.destroy())
  })

  it('outlives trouble with taking connections, says so, and takes the next one', async () => {
    const faults: unknown[] = []
    const fault = (error: unknown) => void faults.push(error)
    const { server, origin, serve } = await openListener({ host: '127.0.0.1', port: 0, fault })
    serve((_request, response) => void response.end('taken'))
    for (const code of ['EMFILE', 'ENFILE']) {
      server.emit('error', Object.assign(new Error(code), { code }))
      expect(await send(origin, { method: 'GET' })).toMatchObject({ status: 200, text: 'taken' })
    }
    expect(faults).toMatchObject([{ code: 'EMFILE' }, { code: 'ENFILE' }])
    await new Promise((resolve) => server.close(resolve))
  })

  it('gives an address its place back when a connection ends', async () => {
    const { url } = await listening({ dials: { connectionsPerAddressMax: 1 } })
    const { body, headers } = modernCall('small', {})
    const status = () => rpc(url, 'token', body, headers).then((answer) => answer.status, () => 0) // prettier-ignore
    for (let round = 0; round < 3; round += 1) await until(async () => (await status()) === 200, `call ${round}`)
  })

  it('ends a connection after a thousand requests', async () => {
    const { port } = await listening()
    const one = 'GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
    const socket = connect(port, '127.0.0.1', () => socket.write(one.repeat(1_005)))
    let text = ''
    socket.on('data', (piece: Buffer) => (text += piece.toString('latin1'))).on('error', () => undefined)
    const served = () => text.match(/HTTP\/1\.1 200 OK/g)?.length ?? 0
    await until(() => served() >= 1_000)
    await after(200)
    expect(served()).toBe(1_000)
    socket.destroy()
  })
})

const half =
  'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer token\r\n' +
  'Content-Type: application/json\r\nContent-Length: 100\r\n'
