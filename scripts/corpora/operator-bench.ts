import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { openTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import { mint, type Mint } from '../../test/support/tokens.ts'
import { modernCall, send, type Answer, type Sent } from '../../test/support/wire.ts'
import { tokenOf, type Forge } from './attacks.ts'

export const issuer = 'https://issuer.example'
const otherIssuer = 'https://other-issuer.example'
export const audience = 'https://gate.example/mcp'
const scope = 'orders.read flags.write:dev web.fetch'
export const week = { from: '2025-09-01', to: '2025-09-01' }

/** A gateway that believes in minted keys, and in front of what would receive a leaked token. */
export interface Bench {
  readonly gateway: TestGateway
  readonly forge: Forge
  /** Everything that reached the services and destinations behind the gateway. */
  readonly behind: Behind
  attempts: number
}

/** Opens a gateway that trusts a mint, in front of `behind`. Key sets are written to the folder. */
export async function openBench(folder: string, own: Mint, behind: Behind): Promise<Bench> {
  const { url } = behind
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
export async function isServed(bench: Bench, token: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` }
  return passed(await present(bench, { headers }))
}

/** True when a call with an unchanged token is answered as a call is: where it is not, no refusal means anything. */
export async function isHonest(bench: Bench): Promise<boolean> {
  const headers = { authorization: `Bearer ${tokenOf(bench.forge)}` }
  const answer = await present(bench, { headers })
  return answer?.status === 200 && answer.message.result !== undefined
}

/** Calls a tool that needs no service to be refused properly. Node sends no header with a line break: nobody could. */
export async function present(bench: Bench, sent: Sent, path = ''): Promise<Answer | undefined> {
  bench.attempts += 1
  const { body, headers } = modernCall('orders.export', week)
  try {
    return await send(`${bench.gateway.mcp}${path}`, {
      headers: { ...headers, ...sent.headers },
      body: sent.body ?? JSON.stringify(body),
    })
  } catch (error) {
    if (unanswered.includes(String((error as { code?: string }).code))) return undefined
    throw error
  }
}

/** The client could not send it, or the connection was cut on it. */
const unanswered = ['ERR_INVALID_CHAR', 'EPIPE', 'ECONNRESET']

/**
 * Whether anything but a refusal of its token, its form or its size came back. After so many refused tokens the next
 * refusal is a 429 that says so; one that a call ran into is none.
 */
export function passed(answer: Answer | undefined): boolean {
  if (answer === undefined) return false
  const { status, message } = answer
  if (status === 429) return message.error?.message.includes('without a valid token') !== true
  return ![400, 401, 403, 431].includes(status)
}

export interface Behind {
  readonly server: Server
  readonly url: string
  /** All bytes it was sent, as Latin-1. */
  text: string
}

/** Stands for every service and destination: writes down all bytes it is sent, and answers an empty object. */
export async function listenBehind(): Promise<Behind> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      behind.text += chunk.toString('latin1')
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const behind: Behind = { server, text: '', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  return behind
}
