import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { vaultHttp } from '../../src/adapters/vault-http.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import type { VaultBench } from './vault-bench.ts'

interface Server {
  readonly url: string
  readonly root: string
  /** Unseals it; absent where it is not ours. */
  readonly key?: string
  stop(): Promise<void>
}

const built = fileURLToPath(new URL('../../.tools/vault/vault-server', import.meta.url))

const [address, token] = [
  process.env['BAO_ADDR'] ?? process.env['VAULT_ADDR'],
  process.env['BAO_TOKEN'] ?? process.env['VAULT_TOKEN'],
]

/** Which real Vault there is: one that the environment names, one that `scripts/vault.ts` built, or a program on the path. */
export const realVaultFound: string | undefined =
  address !== undefined && token !== undefined
    ? 'the one at BAO_ADDR or VAULT_ADDR'
    : existsSync(built)
      ? 'the one that scripts/vault.ts built'
      : ['bao', 'vault'].find((name) => spawnSync(name, ['version']).status === 0)

/** What to say where there is none. */
export const noRealVault =
  'skipped: no OpenBao or Vault (run "node scripts/vault.ts", or set VAULT_ADDR and VAULT_TOKEN)'

/** Starts or reaches the real Vault, and mounts under names of its own what the laws need. */
export async function realVault(): Promise<VaultBench> {
  const server = await reach()
  const http = vaultHttp({ url: server.url })
  const admin = (path: string, body?: JsonObject, method: 'GET' | 'POST' = 'POST') =>
    http({ method, path, token: server.root, ...(body && { body }) })
  const tag = randomBytes(4).toString('hex')
  const mounts = { v2: `secret-${tag}`, nested: `team-${tag}/kv`, v1: `kv1-${tag}`, appRole: `approle-${tag}` }
  await admin(`sys/mounts/${mounts.v2}`, { type: 'kv', options: { version: '2' } })
  await admin(`sys/mounts/${mounts.nested}`, { type: 'kv', options: { version: '2' } })
  await admin(`sys/mounts/${mounts.v1}`, { type: 'kv' })
  await admin(`sys/auth/${mounts.appRole}`, { type: 'approle' })
  // A new KV v2 mount says 400 until it has upgraded its own storage.
  await eventually(() => admin(`${mounts.nested}/config`, undefined, 'GET'))
  await eventually(() => admin(`${mounts.v2}/config`, undefined, 'GET'))

  function apiPath(path: string): { readonly path: string; readonly isV2: boolean } {
    const mount = [mounts.v2, mounts.nested].find((one) => path.startsWith(`${one}/`))
    return mount === undefined
      ? { path, isV2: false }
      : { path: `${mount}/data${path.slice(mount.length)}`, isV2: true }
  }

  const policies: string[] = []

  async function policyFor(path: string): Promise<string> {
    const name = `sluicegate-${randomBytes(6).toString('hex')}`
    policies.push(name)
    await admin(`sys/policies/acl/${name}`, { policy: `path "${apiPath(path).path}" { capabilities = ["read"] }` })
    return name
  }

  async function appRole(path: string, ttlSec: number) {
    const role = `auth/${mounts.appRole}/role/${randomBytes(6).toString('hex')}`
    await admin(role, { token_policies: [await policyFor(path)], token_ttl: `${ttlSec}s` })
    const { role_id } = data(await admin(`${role}/role-id`, undefined, 'GET'))
    const { secret_id } = data(await admin(`${role}/secret-id`, {}))
    return { roleId: String(role_id), secretId: String(secret_id) }
  }

  const { key } = server
  return {
    url: server.url,
    mounts,
    async put(path, data) {
      const to = apiPath(path)
      await admin(to.path, (to.isV2 ? { data } : data) as JsonObject)
    },
    async remove(path) {
      const mount = mounts.v2
      await admin(`${mount}/delete/${path.slice(mount.length + 1)}`, { versions: [await newest(path)] })
    },
    async token(path, { ttlSec = 3600, renewable = true } = {}) {
      const asked = { policies: [await policyFor(path)], ttl: `${ttlSec}s`, renewable, no_parent: true }
      const { auth } = await admin('auth/token/create', asked)
      return String((auth as JsonObject)['client_token'])
    },
    revoke: async (token) => void (await admin('auth/token/revoke', { token })),
    appRole: (path, { ttlSec = 3600 } = {}) => appRole(path, ttlSec),
    ...(key !== undefined && {
      seal: async () => void (await admin('sys/seal', {})),
      unseal: async () => {
        await http({ method: 'POST', path: 'sys/unseal', body: { key } })
        await eventually(() => admin('auth/token/lookup-self', undefined, 'GET'))
      },
    }),
    async close() {
      const { v2, nested, v1, appRole } = mounts
      const made = [...[v2, nested, v1].map((one) => `mounts/${one}`), `auth/${appRole}`, ...policies.map((one) => `policies/acl/${one}`)] // prettier-ignore
      for (const one of made) await remove(`${server.url}/v1/sys/${one}`, server.root)
      await http.close()
      await server.stop()
    },
  }

  async function newest(path: string): Promise<number> {
    const { metadata } = data(await admin(apiPath(path).path, undefined, 'GET'))
    return Number((metadata as JsonObject)['version'])
  }
}

async function remove(url: string, token: string): Promise<void> {
  const { status } = await fetch(url, { method: 'DELETE', headers: { 'x-vault-token': token } })
  if (status !== 204) throw new Error(`${url} could not be removed (${status})`)
}

const data = (reply: JsonObject): JsonObject => reply['data'] as JsonObject

async function eventually(ask: () => Promise<unknown>, triesMax = 50): Promise<void> {
  for (let tries = 1; ; tries++) {
    const failure = await ask().then(
      () => undefined,
      (error: unknown) => error,
    )
    if (failure === undefined) return
    if (tries >= triesMax) throw failure
    await wait(100)
  }
}

async function reach(): Promise<Server> {
  if (address !== undefined && token !== undefined) return { url: address, root: token, stop: async () => {} }
  return existsSync(built) ? ownServer() : devServer(realVaultFound ?? 'vault')
}

/** The one `scripts/vault.ts` builds: in memory, ends with its standard input. */
async function ownServer(): Promise<Server> {
  const child = spawn(built, { stdio: ['pipe', 'pipe', 'ignore'] })
  const lines = createInterface({ input: child.stdout })
  const line = await new Promise<string>((resolve, reject) => {
    lines.once('line', resolve)
    lines.once('close', () => reject(new Error(`${built} ended before it was ready`)))
  })
  const { address, token, key } = JSON.parse(line) as { address: string; token: string; key: string }
  return { url: address, root: token, key, stop: () => ended(child) }
}

/** A server in its development mode: in memory, on a free port of loopback. */
async function devServer(program: string): Promise<Server> {
  const port = await freePort()
  const root = `root-${randomBytes(12).toString('hex')}`
  const args = ['server', '-dev', `-dev-listen-address=127.0.0.1:${port}`, `-dev-root-token-id=${root}`, '-dev-no-store-token'] // prettier-ignore
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] })
  const url = `http://127.0.0.1:${port}`
  const http = vaultHttp({ url })
  await eventually(() => http({ method: 'GET', path: 'auth/token/lookup-self', token: root }), 100)
  await http.close()
  return { url, root, stop: () => ended(child) }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.stdin?.end()
    child.kill()
  })
}
