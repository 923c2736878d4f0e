import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { VaultBench, VaultToken } from './vault-bench.ts'

interface Version {
  readonly data: Readonly<Record<string, unknown>>
  readonly madeMs: number
  deletedMs?: number
}

interface Token {
  readonly path: string
  readonly renewable: boolean
  readonly lifeSec: number
  endsMs: number
}

/** A fake of Vault's HTTP API, as far as secrets need it. The laws that it keeps are run on a real one, too. */
export interface FakeVault extends VaultBench {
  /** How it answers from now on, whatever it is asked, or only where the path holds `at`; undefined for as it should. */
  misbehave(answer: ((response: ServerResponse) => void) | undefined, at?: string): void
  /** What was asked of it, in order: method and path. */
  readonly asked: readonly string[]
  readonly namespaces: readonly string[]
  /** Every token and secret id it has given out. */
  readonly given: ReadonlySet<string>
  readonly alive: () => number
}

const none = JSON.stringify({ errors: [] })

/** Starts a fake on loopback. KV v2 at `secret/` and `team/kv/`, KV v1 at `kv1/`, another engine at `cubbyhole/`, AppRole at `approle/`. */
export async function fakeVault(tls?: { readonly cert: string; readonly key: string }): Promise<FakeVault> {
  const mounts: Readonly<Record<string, 1 | 2>> = { 'secret/': 2, 'team/kv/': 2, 'kv1/': 1, 'cubbyhole/': 1 }
  const secrets = new Map<string, Version[]>()
  const tokens = new Map<string, Token>()
  const roles = new Map<string, { readonly path: string; readonly secretId: string; readonly ttlSec: number }>()
  const asked: string[] = []
  const namespaces: string[] = []
  const given = new Set<string>()
  let sealed = false
  let odd: ((response: ServerResponse) => void) | undefined
  let oddAt = ''

  function issue(path: string, lifeSec: number, renewable: boolean): string {
    const token = `hvs.fake${randomUUID()}`
    given.add(token)
    tokens.set(token, { path, lifeSec, renewable, endsMs: Date.now() + lifeSec * 1000 })
    return token
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://fake')
    asked.push(`${request.method} ${pathname}`)
    namespaces.push(String(request.headers['x-vault-namespace'] ?? ''))
    const body = await read(request)
    if (odd && pathname.includes(oddAt)) return odd(response)
    if (sealed) return reply(response, 503, { errors: ['Vault is sealed'] })
    const path = pathname.replace(/^\/v1\//, '')
    if (path === 'auth/approle/login') return login(response, body)
    const text = String(request.headers['x-vault-token'] ?? '')
    const token = tokens.get(text)
    if (!token || token.endsMs <= Date.now()) return denied(response, `invalid token ${text}`)
    if (path.startsWith('auth/token/')) return self(response, path.slice('auth/token/'.length), text, token)
    const lookUp = 'sys/internal/ui/mounts/'
    if (path.startsWith(lookUp)) return mountOf(response, path.slice(lookUp.length), token)
    return value(response, path, token)
  }

  function login(response: ServerResponse, body: Readonly<Record<string, unknown>>): void {
    const role = roles.get(String(body['role_id']))
    if (!role || role.secretId !== body['secret_id'])
      return reply(response, 400, { errors: [`invalid role or secret ID ${String(body['secret_id'])}`] })
    const token = issue(role.path, role.ttlSec, true)
    reply(response, 200, { auth: { client_token: token, lease_duration: role.ttlSec, renewable: true } })
  }

  function self(response: ServerResponse, what: string, text: string, token: Token): void {
    if (what === 'revoke-self') {
      tokens.delete(text)
      return reply(response, 204)
    }
    const ttl = Math.round((token.endsMs - Date.now()) / 1000)
    if (what === 'lookup-self') return reply(response, 200, { data: { id: text, ttl, renewable: token.renewable } })
    if (!token.renewable) return reply(response, 400, { errors: ['lease is not renewable'] })
    token.endsMs = Date.now() + token.lifeSec * 1000
    reply(response, 200, { auth: { client_token: text, lease_duration: token.lifeSec, renewable: true } })
  }

  const mountAt = (path: string) => Object.keys(mounts).find((mount) => path.startsWith(mount))
  const mayRead = (token: Token, path: string) => token.path === '*' || token.path === path

  function mountOf(response: ServerResponse, path: string, token: Token): void {
    const mount = mountAt(path)
    if (mount === undefined || (token.path !== '*' && !token.path.startsWith(mount)))
      return denied(response, 'preflight capability check returned 403')
    const options = mounts[mount] === 2 ? { version: '2' } : null
    reply(response, 200, { data: { path: mount, type: mount === 'cubbyhole/' ? 'cubbyhole' : 'kv', options } })
  }

  function value(response: ServerResponse, asPath: string, token: Token): void {
    const mount = mountAt(asPath) ?? ''
    const isV2 = mounts[mount] === 2
    const path = isV2 ? asPath.replace(`${mount}data/`, mount) : asPath
    if (!mayRead(token, path)) return denied(response, '1 error occurred: permission denied')
    const versions = secrets.get(path) ?? []
    const last = versions.at(-1)
    if (!last) return void response.writeHead(404, { 'content-type': 'application/json' }).end(none)
    if (!isV2) return reply(response, 200, { lease_duration: 2_764_800, data: last.data })
    const metadata = {
      created_time: new Date(last.madeMs).toISOString().replace('Z', '123Z'),
      deletion_time: last.deletedMs === undefined ? '' : new Date(last.deletedMs).toISOString(),
      destroyed: false,
      version: versions.length,
    }
    const gone = last.deletedMs !== undefined
    reply(response, gone ? 404 : 200, { data: { data: gone ? null : last.data, metadata } })
  }

  const serve = (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch(() => response.destroy())
  }
  const server = tls ? createSecureServer(tls, serve) : createServer(serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mounts: { v2: 'secret', nested: 'team/kv', v1: 'kv1', appRole: 'approle' },
    asked,
    namespaces,
    given,
    alive: () => tokens.size,
    misbehave: (how, at = '') => void ([odd, oddAt] = [how, at]),
    async put(path, data) {
      secrets.set(path, [...(secrets.get(path) ?? []), { data, madeMs: Date.now() }])
    },
    async remove(path) {
      const last = secrets.get(path)?.at(-1)
      if (last) last.deletedMs = Date.now()
    },
    async token(path, { ttlSec = 3600, renewable = true }: VaultToken = {}) {
      return issue(path, ttlSec, renewable)
    },
    async revoke(token) {
      tokens.delete(token)
    },
    async appRole(path, { ttlSec = 3600 }: VaultToken = {}) {
      const [roleId, secretId] = [randomUUID(), randomUUID()]
      given.add(secretId)
      roles.set(roleId, { path, secretId, ttlSec })
      return { roleId, secretId }
    },
    async seal() {
      sealed = true
    },
    async unseal() {
      sealed = false
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function read(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = ''
  for await (const piece of request) text += String(piece)
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}

function reply(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body && JSON.stringify(body))
}

/** A real Vault repeats little; a worse one may repeat what it was shown. */
const denied = (response: ServerResponse, why: string): void => reply(response, 403, { errors: [why] })
