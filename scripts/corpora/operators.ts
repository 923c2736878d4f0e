import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifier } from '../../src/identity/token.ts'
import { algorithms } from '../../src/ports/issuer-keys.ts'
import { testClock } from '../../test/support/clock.ts'
import { openTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import { mint, trusting, type Mint } from '../../test/support/tokens.ts'
import { modernCall, send, type Answer, type Sent } from '../../test/support/wire.ts'
import { forgeries, tokenOf, type Forge } from './attacks.ts'
import { kidFlood } from './kid-flood.ts'
import { flooded, replayed } from './replays.ts'

/** One attack on tokens; `allow` marks the control that must pass. */
export interface OperatorRow {
  readonly id: string
  readonly allow?: boolean
}

export interface OperatorCounts {
  readonly operators: number
  /** Attacks of which one attempt got through, with the attempt. */
  readonly accepted: readonly string[]
  /** Operators this version does not know how to apply. */
  readonly unknown: readonly string[]
  /** False when an unchanged token was refused: then nothing else means anything. */
  readonly control: boolean
  readonly attempts: number
}

const issuer = 'https://issuer.example'
const otherIssuer = 'https://other-issuer.example'
const audience = 'https://gate.example/mcp'
const scope = 'orders.read flags.write:dev web.fetch'
const week = { from: '2025-09-01', to: '2025-09-01' }

/** A gateway that believes in minted keys, and in front of what would receive a leaked token. */
interface Bench {
  readonly gateway: TestGateway
  readonly forge: Forge
  /** Everything that reached the services and destinations behind the gateway. */
  readonly behind: { text: string }
  attempts: number
}

/** An attack that is more than one forged token: gives the attempts that got through. */
type Property = (bench: Bench) => Promise<readonly string[]>

/** Applies every operator to tokens minted with the gateway's own configured issuers, over HTTP, once per algorithm. */
export async function tryOperators(rows: readonly OperatorRow[]): Promise<OperatorCounts> {
  const folder = mkdtempSync(join(tmpdir(), 'sluicegate-operators-'))
  const behind = await listenBehind()
  const accepted: string[] = []
  const unknown = new Set<string>()
  let control = true
  let attempts = 0
  try {
    for (const alg of algorithms) {
      const bench = await openBench(folder, mint(alg), behind)
      control &&= await isServed(bench, tokenOf(bench.forge))
      for (const { id } of rows.filter(({ allow }) => allow !== true)) {
        const through = await applied(bench, id)
        if (through === undefined) unknown.add(id)
        else accepted.push(...through.map((how) => `${id} (${alg}): ${how}`))
      }
      control &&= await isServed(bench, tokenOf(bench.forge))
      attempts += bench.attempts
      await bench.gateway.close()
    }
  } finally {
    behind.server.close()
    rmSync(folder, { recursive: true, force: true })
  }
  const operators = rows.filter(({ id, allow }) => allow !== true && !unknown.has(id)).length
  return { operators, accepted, unknown: [...unknown], control, attempts }
}

async function applied(bench: Bench, id: string): Promise<readonly string[] | undefined> {
  const tokens = Object.hasOwn(forgeries, id) ? forgeries[id] : undefined
  const property = Object.hasOwn(properties, id) ? properties[id] : undefined
  if (!tokens && !property) return undefined
  const through: string[] = []
  for (const token of tokens?.(bench.forge) ?? []) if (await isServed(bench, token)) through.push(token.slice(0, 160))
  return [...through, ...((await property?.(bench)) ?? [])]
}

async function openBench(folder: string, own: Mint, { behind, url }: Behind): Promise<Bench> {
  const other = mint('ES256', 'other-key')
  const set = (keys: readonly Mint[], name: string): string => {
    const jwks = keys.map(({ alg, kid, publicKey }) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid,
      alg,
      use: 'sig',
    }))
    const file = join(folder, `${name}.json`)
    writeFileSync(file, JSON.stringify({ keys: jwks }))
    return file
  }
  const issuers = [
    { issuer, jwks: set([own], 'own'), algorithms: [own.alg] },
    { issuer: otherIssuer, jwks: set([other], 'other'), algorithms: ['ES256'] },
  ]
  const auth = { issuers, audience, tenants: { acme: { home: 'US' }, globex: { home: 'EU' } } }
  const hosts = { 'partner.example': Number(new URL(url).port) }
  const egress = { allow: ['partner.example'], hosts }
  const regions = { 'us-east': url, 'eu-west': url }
  const service = { regions }
  const services = { orders: service, flags: service, crm: service }
  const tireless = {
    limits: { rpm: 1_000_000, burst: 1_000_000, concurrency: 64 },
    stop_rules: { max_retries: 1_000_000 },
  }
  const principals = [{ principal: 'agent:copilot', ...tireless }]
  const detector = { stages: { default: 'off' } }
  const gateway = await openTestGateway({ over: { auth, egress, services, principals, detector } })
  const claims = () => ({ ...goodClaimsNow(), jti: randomUUID() })
  return { gateway, behind, attempts: 0, forge: { own, other, issuer, otherIssuer, audience, claims } }
}

function goodClaimsNow(): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  const who = { iss: issuer, aud: audience, sub: 'agent:copilot', tenant: 'acme', scope, sid: 'run-1' }
  return { ...who, iat: now, nbf: now, exp: now + 600 }
}

/** True when a call with this token got past authentication. */
async function isServed(bench: Bench, token: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` }
  return passed(await present(bench, { headers }))
}

/** Calls a tool that needs no service to be refused properly. Node sends no header with a line break: nobody could. */
async function present(bench: Bench, sent: Sent, path = ''): Promise<Answer | undefined> {
  bench.attempts += 1
  const { body, headers } = modernCall('orders.export', week)
  try {
    return await send(`${bench.gateway.mcp}${path}`, {
      headers: { ...headers, ...sent.headers },
      body: sent.body ?? JSON.stringify(body),
    })
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_INVALID_CHAR' || (error as { code?: string }).code === 'EPIPE')
      return undefined
    if ((error as { code?: string }).code === 'ECONNRESET') return undefined
    throw error
  }
}

const passed = (answer: Answer | undefined): boolean =>
  answer !== undefined && ![400, 401, 403, 429, 431].includes(answer.status)

const properties: Readonly<Record<string, Property>> = {
  'kid-unknown-flood': ({ forge }) => kidFlood(forge),
  'scope-widening': async (bench) => {
    const through: string[] = []
    for (const scope of ['orders.readall', 'orders', 'order', 'orders.read:all', 'Orders.Read', '']) {
      if (await isServed(bench, tokenOf(bench.forge, { scope }))) through.push(`scope ${scope}`)
    }
    return through
  },
  'cross-tenant': async (bench) => {
    const { body, headers } = modernCall('orders.export', { ...week, tenant: 'globex' })
    const authorization = `Bearer ${tokenOf(bench.forge)}`
    const argued = await send(bench.gateway.mcp, { headers: { ...headers, authorization }, body: JSON.stringify(body) })
    const refused = argued.message.result?.isError === true
    bench.behind.text = ''
    await present(bench, {
      headers: { authorization, 'x-tenant': 'globex', 'x-tenant-id': 'globex', tenant: 'globex' },
    })
    const crossed = /globex/.test(bench.behind.text)
    return [...(refused ? [] : ['a tenant in the arguments']), ...(crossed ? ['a tenant in a header'] : [])]
  },
  'query-token': async (bench) => {
    const token = tokenOf(bench.forge)
    const { body } = modernCall('orders.export', week)
    const tries: readonly (readonly [string, Sent, string?])[] = [
      ['query', {}, `?access_token=${token}&authorization=Bearer%20${token}&token=${token}`],
      ['body', { body: JSON.stringify({ ...body, access_token: token, authorization: `Bearer ${token}` }) }],
      ['two headers', { headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] } }],
      ['cookie', { headers: { cookie: `access_token=${token}; authorization=Bearer ${token}` } }],
      ['proxy header', { headers: { 'proxy-authorization': `Bearer ${token}`, 'x-access-token': token } }],
    ]
    const through: string[] = []
    for (const [name, sent, path] of tries) if (passed(await present(bench, sent, path))) through.push(name)
    return through
  },
  passthrough: async (bench) => {
    const { forge, gateway, behind } = bench
    const token = tokenOf(forge)
    behind.text = ''
    const authorization = `Bearer ${token}`
    const calls = [
      modernCall('orders.export', week),
      modernCall('web.fetchSafe', { url: 'http://partner.example/' }),
      modernCall('flag.set', { name: 'x', env: 'dev', rolloutPct: 1, idemKey: randomUUID() }),
    ]
    for (const { body, headers } of calls)
      await send(gateway.mcp, { headers: { ...headers, authorization }, body: JSON.stringify(body) })
    if (behind.text === '') return ['nothing was called, so nothing was shown']
    return token.split('.').some((part) => behind.text.includes(part)) ? ['part of the token reached an upstream'] : []
  },
  clock: async ({ forge }) => {
    const clock = testClock(Date.now())
    const { verify } = verifier({ issuers: [trusting(forge.own, { issuer })], audience, clock, cacheMax: 100 })
    const token = tokenOf(forge)
    const through: string[] = []
    clock.step(-300_000)
    if ((await verify(tokenOf(forge, { nbf: Math.floor(Date.now() / 1000) + 400 }))).ok)
      through.push('not yet valid, clock back')
    clock.step(300_000)
    clock.advance(601_000)
    if ((await verify(token)).ok) through.push('expired')
    for (const step of [-3_600_000, 300_000, -300_000]) {
      clock.step(step)
      if ((await verify(token)).ok) through.push(`expired, clock stepped ${step} ms`)
    }
    return through
  },
  revoked: async (bench) => {
    const { forge, gateway } = bench
    const jti = randomUUID()
    const token = tokenOf(forge, { jti, sid: 'revoked' })
    const through = (await isServed(bench, token)) ? [] : ['the token did not pass before it was revoked']
    const operator = { kind: 'operator', name: 'corpora' } as const
    await gateway.started.gateway.switches.engage({ kind: 'token', target: jti, reason: 'test' }, operator)
    if (await isServed(bench, token)) through.push('token revoked')
    const rotated = trusting(mint(forge.own.alg, forge.own.kid), { issuer })
    const withdrawn = { issuer, keys: { keys: () => [] } }
    for (const issuers of [[], [rotated], [withdrawn]]) {
      const { verify } = verifier({ issuers, audience, clock: testClock(Date.now()), cacheMax: 10 })
      if ((await verify(tokenOf(forge))).ok) through.push('issuer or key removed')
    }
    return through
  },
  jti: ({ forge }) => replayed(forge),
  // Whatever signed the tokens, their names are kept alike.
  'jti-flood': async ({ forge }) => (forge.own.alg === 'EdDSA' ? flooded(forge) : []),
}

interface Behind {
  readonly server: Server
  readonly url: string
  readonly behind: { text: string }
}

/** Stands for every service and destination: writes down all bytes it is sent, and answers an empty object. */
async function listenBehind(): Promise<Behind> {
  const behind = { text: '' }
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      behind.text += chunk.toString('latin1')
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, behind, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
