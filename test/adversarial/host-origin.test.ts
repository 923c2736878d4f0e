import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authority, pairFiles } from '../support/certificates.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { modern, send } from '../support/wire.ts'

/* A page in somebody's browser that has bent a name to this machine (DNS rebinding, CVE-2025-64443) reaches no listener. */

const directory = mkdtempSync(join(tmpdir(), 'sluicegate-hosts-'))
const ours = authority('ours')
const named = { hosts: ['Gate.Example', '2001:db8::7'], origins: ['https://console.example'] }

let clear: TestGateway
let secure: TestGateway
beforeAll(async () => {
  const tls = {
    ...pairFiles(directory, ours.issue('gate')),
    clientCert: 'none' as const,
    minVersion: '1.3' as const,
    rotationDays: 90,
  }
  clear = await openTestGateway({ listen: named, admin: { hosts: named.hosts } })
  secure = await openTestGateway({ listen: { ...named, tls }, admin: { hosts: named.hosts, tls } })
})
afterAll(async () => {
  await clear.close()
  await secure.close()
  rmSync(directory, { recursive: true, force: true })
})

interface Asked {
  readonly method: string
  readonly path: string
  /** Answered to whoever asks, once Host and Origin are fine. */
  readonly open?: true
}

const agents: readonly Asked[] = [
  { method: 'POST', path: '/mcp' },
  { method: 'GET', path: '/mcp' },
  { method: 'DELETE', path: '/mcp' },
  { method: 'OPTIONS', path: '/mcp', open: true },
  { method: 'GET', path: '/.well-known/oauth-protected-resource', open: true },
  { method: 'GET', path: '/schemas/denied.json', open: true },
  { method: 'GET', path: '/nowhere', open: true },
]

const operators: readonly Asked[] = [
  { method: 'GET', path: '/healthz', open: true },
  { method: 'GET', path: '/readyz', open: true },
  { method: 'GET', path: '/metrics' },
  { method: 'GET', path: '/api/v1/switches' },
  { method: 'POST', path: '/api/v1/switches' },
  { method: 'DELETE', path: '/api/v1/switches/x' },
  { method: 'GET', path: '/api/v1/grants' },
  { method: 'GET', path: '/nowhere', open: true },
]

const listeners = [
  { name: 'agents, in clear', gateway: () => clear, base: () => clear.mcp.replace('/mcp', ''), asked: agents },
  { name: 'agents, over TLS', gateway: () => secure, base: () => secure.mcp.replace('/mcp', ''), asked: agents },
  { name: 'operators, in clear', gateway: () => clear, base: () => clear.admin, asked: operators },
  { name: 'operators, over TLS', gateway: () => secure, base: () => secure.admin, asked: operators },
]

const goodHosts = ['localhost', '127.0.0.1', '[::1]', 'LocalHost', 'gate.example', 'GATE.example', '[2001:db8::7]']
const badHosts = [
  'evil.example',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'evil.example:8787',
  'localhost.',
  '0.0.0.0',
  '2130706433',
  '127.1',
  '[::ffff:127.0.0.1]',
  'localhost@evil.example',
  'evil.example@localhost',
  'localhost,evil.example',
  'localhost:1:2',
  'localhost:',
  'localhost:65536',
  'localhost:99999',
  '[::1]:99999',
  '::1',
  '[::1',
  '[::1].',
  '127.0.0.1.',
  'gate.example.',
  '',
]
const badOrigins = [
  'null',
  '*',
  'http://evil.example',
  'https://evil.example',
  'http://localhost.evil.example',
  'https://console.example.evil.example',
  'https://console.example:8443',
  'http://console.example',
  'https://CONSOLE.example',
  'file://',
  '',
]

type Status = number | 'refused'

async function status(
  base: string,
  { method, path }: Asked,
  headers: Readonly<Record<string, string | readonly string[]>>,
): Promise<Status> {
  const { body, headers: own } = modern('tools/list')
  const text = path === '/mcp' && method === 'POST' ? JSON.stringify(body) : undefined
  const mcp = path === '/mcp' ? own : {}
  const answer = await send(base + path, {
    method,
    headers: { ...mcp, ...headers },
    ...(text !== undefined && { body: text }),
    ...(path === '/mcp' && method === 'GET' ? { headers: { ...headers, accept: 'text/plain' } } : {}),
    tls: { ca: ours.cert },
  })
  return answer.status
}

const tokenOf = (base: string, gateway: TestGateway) => (base === gateway.admin ? gateway.adminToken : gateway.token())

describe.each(listeners)('the listener of $name', ({ gateway, base, asked }) => {
  const own = () => new URL(base()).port
  const bearer = () => ({ authorization: `Bearer ${tokenOf(base(), gateway())}` })
  const scheme = () => base().split(':')[0] as string

  it.each(asked)('refuses $method $path with a Host that is not its own, whoever asks', async (one) => {
    const seen = badHosts
      .flatMap((host) => [{ host }, { host, ...bearer() }])
      .map((headers) => status(base(), one, headers))
    expect(new Set(await Promise.all(seen))).toEqual(new Set([403]))
  })

  it.each(asked)('refuses $method $path with two Hosts, even of the same name', async (one) => {
    const pairs = [['localhost', 'localhost'], ['localhost', 'evil.example'], ['evil.example', 'localhost']] // prettier-ignore
    const seen = pairs.map((host) => status(base(), one, { host, ...bearer() }))
    expect(new Set(await Promise.all(seen))).toEqual(new Set([403]))
  })

  it.each(asked)(
    'refuses $method $path with an Origin that is not its own, whoever asks and under every name',
    async (one) => {
      const seen = badOrigins.flatMap((origin) =>
        ['localhost', 'gate.example']
          .flatMap((host) => [
            { host, origin },
            { host, origin, ...bearer() },
          ])
          .map((headers) => status(base(), one, headers)),
      )
      expect(new Set(await Promise.all(seen))).toEqual(new Set([403]))
      const twice = [`${scheme()}://localhost:${own()}`, `${scheme()}://localhost:${own()}`]
      expect(await status(base(), one, { origin: twice, ...bearer() })).toBe(403)
    },
  )

  it.each(asked)('serves $method $path under its names, with its origins and with none', async (one) => {
    const mine = ['localhost', '127.0.0.1', '[::1]'].map((host) => `${scheme()}://${host}:${own()}`)
    const origins = [...mine, ...(asked === agents ? named.origins : [])].map((origin) => ({ origin }))
    const seen = goodHosts.flatMap((host) =>
      [...origins, {}].map((origin) => status(base(), one, { host, ...origin, ...bearer() })),
    )
    expect(await Promise.all(seen)).not.toContain(403)
  })

  it.each(asked.filter(({ open }) => !open))(
    'asks for a token before it serves $method $path, with an Origin or none',
    async (one) => {
      const origin = `${scheme()}://localhost:${own()}`
      const seen = await Promise.all([{}, { origin }].map((headers) => status(base(), one, headers)))
      expect(seen.every((got) => got === 401 || got === 429)).toBe(true)
    },
  )

  it('refuses the origin of the other scheme, and of another port', async () => {
    const other = scheme() === 'http' ? 'https' : 'http'
    const origins = [`${other}://localhost:${own()}`, `${scheme()}://localhost:1`, `${scheme()}://localhost`]
    const [first] = asked as [Asked]
    const seen = origins.map((origin) => status(base(), first, { origin, ...bearer() }))
    expect(await Promise.all(seen)).toEqual([403, 403, 403])
  })
})

describe('a request of an older HTTP, or with its address spelled out', () => {
  const raw = (base: string, text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(base).port), '127.0.0.1', () => socket.write(text.replaceAll('\n', '\r\n')))
      let seen = ''
      socket.on('data', (piece: Buffer) => (seen += piece.toString())).on('error', reject)
      socket.on('close', () => resolve(seen.split('\r\n', 1)[0] ?? ''))
    })

  it.each(['/healthz', '/metrics'])('is refused at %s without a Host, and by the Host it has', async (path) => {
    expect(await raw(clear.admin, `GET ${path} HTTP/1.0\n\n`)).toContain(' 403 ')
    expect(await raw(clear.admin, `GET ${path} HTTP/1.1\nConnection: close\n\n`)).toContain(' 400 ')
    const spelled = `GET http://localhost${path} HTTP/1.1\nHost: evil.example\nConnection: close\n\n`
    expect(await raw(clear.admin, spelled)).toContain(' 403 ')
  })

  it('is served by no path but its own, whatever authority its target names', async () => {
    for (const authority of ['evil.example', 'localhost', 'localhost@evil.example']) {
      for (const [base, path] of [
        [clear.mcp, '/mcp'],
        [clear.admin, '/healthz'],
        [clear.admin, '/metrics'],
      ] as const) {
        const spelled = `GET http://${authority}${path} HTTP/1.1\nHost: localhost\nConnection: close\n\n`
        expect(await raw(base, spelled)).toContain(' 404 ')
      }
    }
    for (const target of [
      '//evil.example/healthz',
      '/healthz/',
      '/HEALTHZ',
      '/./healthz',
      '/healthz%00',
      '*',
      '/%68ealthz',
    ])
      expect(await raw(clear.admin, `GET ${target} HTTP/1.1\nHost: localhost\nConnection: close\n\n`)).toContain(
        ' 404 ',
      )
  })

  it('opens no tunnel', async () => {
    expect(await raw(clear.admin, 'CONNECT localhost:22 HTTP/1.1\nHost: localhost\n\n')).not.toContain(' 200 ')
    expect(await raw(clear.mcp, 'CONNECT localhost:22 HTTP/1.1\nHost: localhost\n\n')).not.toContain(' 200 ')
  })
})
