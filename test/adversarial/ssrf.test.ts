import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { undiciEgress, type EgressOptions } from '../../src/adapters/egress-undici.ts'
import { ToolRefusal, UpstreamError, type ToolContext, type Departed } from '../../src/ports/tool.ts'
import { domainOf } from '../../src/tools/egress.ts'
import { webFetchSafe } from '../../src/tools/web-fetch-safe.ts'
import { tryEgress, type EgressRow } from '../../scripts/corpora/egress.ts'
import { corporaFolder, rowsOf } from '../../scripts/corpora/rows.ts'
import { connectRecorder, stubResolver, type ConnectRecorder } from '../support/connect-recorder.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const fine: Handler = (_request, response) => void response.end('fine')
let handler: Handler = fine
let firstBytes: Buffer = Buffer.alloc(0)
let stub: Server
let recorder: ConnectRecorder

beforeAll(async () => {
  stub = createServer((request, response) => handler(request, response)).listen(0, '127.0.0.1')
  stub.on('connection', (socket: Socket) => socket.once('data', (bytes: Buffer) => (firstBytes = bytes)))
  await once(stub, 'listening')
})
afterAll(() => {
  stub.closeAllConnections()
  stub.close()
})
beforeEach(() => {
  handler = fine
  recorder = connectRecorder((stub.address() as AddressInfo).port)
})
afterEach(() => recorder[Symbol.dispose]())

interface World {
  readonly dns?: Readonly<Record<string, readonly string[]>>
  readonly allow?: readonly string[]
  readonly hosts?: Readonly<Record<string, number>>
  readonly blocked?: (domain: string) => boolean
  readonly options?: Partial<EgressOptions>
}

const publicDns = { 'www.example.com': ['8.8.4.4'], 'other.example.com': ['8.8.8.8'] }

function fetcher({
  dns = publicDns,
  allow = Object.keys(dns),
  hosts = {},
  blocked = () => false,
  options = {},
}: World) {
  const { resolve, asked } = stubResolver(dns)
  const reasons: string[] = []
  const denied = (_domain: string, reason: string) => void reasons.push(reason)
  const egress = undiciEgress({ lists: { allow, hosts }, resolve, denied, ...options })
  const left: Departed[] = []
  const fetch = egress({ signal: new AbortController().signal, blocked, departed: (what) => void left.push(what) })
  return { fetch, asked, reasons, left }
}

/** Calls the tool as the gateway does: validated first. Gives the code it ended with, and the sockets it opened. */
async function call(args: { readonly url: string; readonly body?: string }, world: World = {}) {
  const { fetch, asked, reasons, left } = fetcher(world)
  let ended = 'ok'
  let reply: Awaited<ReturnType<typeof webFetchSafe.invoke>> | undefined
  const opened = await recorder.during(async (): Promise<void> => {
    const validated = webFetchSafe.validate(args)
    if (!validated.ok) {
      ended = 'invalid_arguments'
      return
    }
    try {
      reply = await webFetchSafe.invoke(validated.args, { fetch } as unknown as ToolContext)
    } catch (error) {
      if (!(error instanceof ToolRefusal || error instanceof UpstreamError)) throw error
      ended = error.code
    }
  })
  return { ended, reply, left, asked, reasons, opened: opened.map(({ host }) => host) }
}

describe('a private address', () => {
  const spellings = [
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.01/',
    'http://①②⑦.⓪.⓪.①/',
    'http://127。0。0。1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://0/',
    'http://10.0.0.1/',
    'https://192.168.1.1:8443/',
  ]

  it.each(spellings)('is not reached as %s, even when somebody lists it', async (url) => {
    const { ended, opened } = await call({ url }, { allow: [domainOf(new URL(url))] })
    expect({ ended, opened }).toEqual({ ended: 'egress_denied', opened: [] })
  })

  it.each(spellings)('is not reached through a redirect to %s', async (url) => {
    for (const status of [301, 302, 303, 307, 308]) {
      handler = (_request, response) => void response.writeHead(status, { location: new URL(url).href }).end()
      const allow = ['www.example.com', domainOf(new URL(url))]
      const { ended, opened } = await call({ url: 'http://www.example.com/' }, { allow })
      expect({ status, ended, opened }).toEqual({ status, ended: 'egress_denied', opened: ['8.8.4.4'] })
    }
  })

  it('is not reached through a name that answers it, alone or among public ones', async () => {
    for (const answers of [
      ['127.0.0.1'],
      ['8.8.4.4', '10.0.0.1'],
      ['::1'],
      ['fe80::1%eth0'],
      ['::ffff:10.0.0.1'],
      ['metadata'],
    ]) {
      const { ended, opened } = await call({ url: 'http://www.example.com/' }, { dns: { 'www.example.com': answers } })
      expect({ answers, ended, opened }).toEqual({ answers, ended: 'egress_denied', opened: [] })
    }
  })

  it('is not reached by a name that changes its answer after it was judged', async () => {
    const answers = [['8.8.4.4'], ['127.0.0.1']]
    let asked = 0
    const resolve = async () => answers[asked++] ?? ['127.0.0.1']
    const first = await call({ url: 'http://www.example.com/' }, { options: { resolve } })
    expect({ ended: first.ended, opened: first.opened, asked }).toEqual({ ended: 'ok', opened: ['8.8.4.4'], asked: 1 })
    const second = await call({ url: 'http://www.example.com/' }, { options: { resolve } })
    expect({ ended: second.ended, opened: second.opened }).toEqual({ ended: 'egress_denied', opened: [] })
  })

  it('is not reached through a proxy named in the environment', async () => {
    const before = { ...process.env }
    Object.assign(process.env, {
      NODE_USE_ENV_PROXY: '1',
      HTTP_PROXY: 'http://10.0.0.1:3128',
      http_proxy: 'http://10.0.0.1:3128',
    })
    const { opened } = await call({ url: 'http://www.example.com/' })
    process.env = before
    expect(opened).toEqual(['8.8.4.4'])
  })
})

describe('a process that was started with proxy variables', () => {
  it('connects to what was judged itself, and asks no proxy', async () => {
    recorder[Symbol.dispose]()
    let asked = 0
    const proxy = createServer((_request, response) => void response.end('from the proxy'))
    proxy.on('connection', () => (asked += 1)).on('connect', (_request, socket: Socket) => socket.destroy())
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const named = ['http_proxy', 'https_proxy', 'all_proxy'].flatMap((name) => [name, name.toUpperCase()])
    const env = { ...process.env, ...Object.fromEntries(named.map((name) => [name, url])), NODE_USE_ENV_PROXY: '1' }
    const child = fork(
      new URL('../support/proxied-child.ts', import.meta.url),
      [String((stub.address() as AddressInfo).port)],
      { env: { ...env, NO_PROXY: '', no_proxy: '' } },
    )
    const [said] = (await once(child, 'message')) as [readonly string[]]
    expect([said, asked]).toEqual([['fine', 'egress_denied'], 0])
    proxy.close()
    proxy.closeAllConnections()
  })
})

describe('a destination', () => {
  it('that nobody listed is refused before its name is resolved', async () => {
    const { ended, opened, asked } = await call({ url: 'http://www.example.com/' }, { allow: ['example.com'] })
    expect({ ended, opened, asked }).toEqual({ ended: 'egress_denied', opened: [], asked: [] })
  })

  it('that redirects to an unlisted one is followed no further', async () => {
    handler = (_request, response) => void response.writeHead(302, { location: 'http://other.example.com/' }).end()
    const { ended, opened, asked } = await call({ url: 'http://www.example.com/' }, { allow: ['www.example.com'] })
    expect({ ended, opened, asked }).toEqual({
      ended: 'egress_denied',
      opened: ['8.8.4.4'],
      asked: ['www.example.com'],
    })
  })

  it('is followed through three redirects and not through four', async () => {
    const hops =
      (count: number): Handler =>
      (request, response) => {
        const done = Number(request.url?.slice(1) ?? 0)
        if (done === count) response.end('arrived')
        else response.writeHead(302, { location: `/${done + 1}` }).end()
      }
    handler = hops(3)
    const three = await call({ url: 'http://www.example.com/0' })
    expect([three.ended, three.reply?.structured?.['text'], three.opened.length]).toEqual(['ok', 'arrived', 4])
    handler = hops(4)
    const four = await call({ url: 'http://www.example.com/0' })
    expect([four.ended, four.opened.length]).toEqual(['egress_denied', 4])
  })

  it('does not receive a body that a redirect wants to move there', async () => {
    const bodies: string[] = []
    handler = (request, response) => {
      request.setEncoding('utf8').on('data', (text: string) => bodies.push(`${request.headers.host} ${text}`))
      request.on('end', () => response.writeHead(307, { location: 'http://other.example.com/' }).end())
    }
    const { ended, opened } = await call({ url: 'http://www.example.com/', body: 'rows' })
    expect({ ended, opened, bodies }).toEqual({
      ended: 'egress_denied',
      opened: ['8.8.4.4'],
      bodies: ['www.example.com rows'],
    })
  })

  it('is asked with GET, without the body, after 302', async () => {
    const asked: string[] = []
    handler = (request, response) => {
      asked.push(`${request.method} ${request.url}`)
      if (request.method === 'POST') response.writeHead(302, { location: 'http://other.example.com/x' }).end()
      else response.end('page')
    }
    const { left } = await call({ url: 'http://www.example.com/', body: 'abc' })
    expect(asked).toEqual(['POST /', 'GET /x'])
    expect(left).toEqual([{ domain: 'www.example.com', ip: '8.8.4.4', sentBytes: '/abc'.length }])
  })

  it('over TLS is asked for by its own name, at the address that was judged, and must prove that name', async () => {
    const { ended, opened } = await call({ url: 'https://www.example.com/' })
    expect({ ended, opened }).toEqual({ ended: 'upstream_unavailable', opened: ['8.8.4.4'] })
    expect(firstBytes[0]).toBe(0x16)
    expect(firstBytes.toString('latin1')).toContain('www.example.com')
  })

  it('learns nothing of who asks', async () => {
    let names: readonly string[] = []
    handler = (request, response) => {
      names = Object.keys(request.headers)
      response.end()
    }
    await call({ url: 'http://www.example.com/', body: 'x' })
    const plain = ['host', 'connection', 'user-agent', 'accept', 'accept-encoding', 'content-type', 'content-length']
    expect(names.filter((name) => !plain.includes(name))).toEqual([])
  })

  it('is refused from the moment a switch closes it, with no socket left over to use', async () => {
    let closed = false
    const world = { blocked: () => closed }
    expect((await call({ url: 'http://www.example.com/' }, world)).ended).toBe('ok')
    closed = true
    const after = await call({ url: 'http://www.example.com/' }, world)
    expect({ ended: after.ended, opened: after.opened }).toEqual({ ended: 'egress_denied', opened: [] })
  })

  it('closed between its judgement and its connection is not connected to', async () => {
    let closed = false
    const resolve = async () => {
      closed = true
      return ['8.8.4.4']
    }
    const { ended, opened } = await call(
      { url: 'http://www.example.com/' },
      { blocked: () => closed, options: { resolve } },
    )
    expect({ ended, opened }).toEqual({ ended: 'egress_denied', opened: [] })
  })

  it('closed while it answers is not listened to any more', async () => {
    let closed = false
    handler = (_request, response) => {
      closed = true
      response.end('page')
    }
    expect((await call({ url: 'http://www.example.com/' }, { blocked: () => closed })).ended).toBe('egress_denied')
  })
})

describe('a development name', () => {
  const hosts = { 'partner.example': 9 }

  it('leads to loopback, exactly as it is spelt, and nothing else does', async () => {
    const allow = ['partner.example', 'x.partner.example', '127.0.0.1']
    expect(await call({ url: 'http://partner.example/' }, { allow, hosts })).toMatchObject({
      ended: 'ok',
      opened: ['127.0.0.1'],
      asked: [],
    })
    for (const url of ['http://x.partner.example/', 'http://127.0.0.1:9/']) {
      expect(await call({ url }, { allow, hosts })).toMatchObject({ ended: 'egress_denied', opened: [] })
    }
  })

  it('is not special when it is an inherited property', async () => {
    expect(await call({ url: 'http://constructor/' }, { allow: ['constructor'], hosts: {} })).toMatchObject({
      opened: [],
    })
  })
})

describe('an answer', () => {
  const text = async (body: string | Buffer, headers: Readonly<Record<string, string>>) => {
    handler = (_request, response) => void response.writeHead(200, headers).end(body)
    const { ended, reply } = await call({ url: 'http://www.example.com/' })
    return [ended, reply?.structured?.['text'], reply?.structured?.['truncated']]
  }

  it('is cut at 64 KiB, between characters', async () => {
    const [ended, cut, truncated] = await text('é'.repeat(40_000), { 'content-type': 'text/plain' })
    expect([ended, truncated]).toEqual(['ok', true])
    expect(cut).toBe('é'.repeat(32_768))
  })

  it('is not unpacked: a bomb stays packed', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000))
    expect(await text(bomb, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })).toEqual([
      'upstream_failed',
      undefined,
      undefined,
    ])
  })

  it('that is not text is not shown, because nobody could inspect it', async () => {
    expect(await text('\0\x01', { 'content-type': 'image/png' })).toEqual(['ok', '', true])
    expect(await text('x', { 'content-type': 'text/plain; charset=klingon' })).toEqual(['ok', '', true])
  })

  it('is read in the character set it names', async () => {
    expect(await text(Buffer.from('e\0m\0', 'latin1'), { 'content-type': 'text/plain; charset=utf-16le' })).toEqual([
      'ok',
      'em',
      false,
    ])
    expect(await text('{"a":1}', { 'content-type': 'application/problem+json' })).toEqual(['ok', '{"a":1}', false])
  })

  it('that comes drop by drop, or begins with a flood of headers, ends the call too', async () => {
    handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      const drip = setInterval(() => response.write('.'), 5)
      response.on('close', () => clearInterval(drip))
    }
    expect((await call({ url: 'http://www.example.com/' }, { options: { timeoutMs: 2_000 } })).ended).toBe(
      'upstream_failed',
    )
    handler = (_request, response) => void response.writeHead(200, { 'x-much': 'y'.repeat(64 * 1024) }).end()
    expect((await call({ url: 'http://www.example.com/' })).ended).toBe('upstream_failed')
  })

  it.each(['gzip', 'br', 'deflate', 'zstd', 'x-gzip', 'identity, gzip'])(
    'packed as %s is not unpacked',
    async (name) => {
      expect((await text(gzipSync('x'), { 'content-type': 'text/plain', 'content-encoding': name }))[0]).toBe(
        'upstream_failed',
      )
    },
  )

  it('that never comes ends the call in time', async () => {
    handler = () => {}
    const get = await call({ url: 'http://www.example.com/' }, { options: { timeoutMs: 2_000 } })
    const post = await call({ url: 'http://www.example.com/', body: 'x' }, { options: { timeoutMs: 2_000 } })
    expect([get.ended, post.ended]).toEqual(['upstream_failed', 'outcome_unknown'])
  })
})

const folder = corporaFolder()

describe.skipIf(folder === undefined)('the collected URLs (skipped without corpora: set SLUICEGATE_CORPORA)', () => {
  it('open no socket they must not, directly, as a Location, behind any redirect and with an answer that changes', async () => {
    const { mustBlock, mustAllow, reached, leaks, unheard } = await tryEgress(
      rowsOf<EgressRow>(folder ?? '', 'ssrf_urls'),
    )
    expect([leaks, unheard]).toEqual([[], []])
    expect(mustBlock).toBeGreaterThan(700)
    expect(mustAllow).toBeGreaterThan(100)
    expect(reached / mustAllow).toBeGreaterThanOrEqual(0.99)
  })
})
