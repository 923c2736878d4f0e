import { describe, expect, it } from 'vitest'
import { memoryState } from '../../src/adapters/state-memory.ts'
import { directory } from '../../src/identity/directory.ts'
import { identifier } from '../../src/identity/identify.ts'
import { proofPace } from '../../src/identity/proof-pace.ts'
import { replay } from '../../src/identity/replay.ts'
import { steadyTime } from '../../src/identity/steady.ts'
import { verifier } from '../../src/identity/token.ts'
import { listenHttp } from '../../src/server/http.ts'
import { refusedCall } from '../support/calls.ts'
import { openTestGateway, type Caller, type TestGateway } from '../support/gateway.ts'
import { testAudience, tokenBench, trusting } from '../support/tokens.ts'
import { initialize, rpc, send } from '../support/wire.ts'

/* The stream that a GET opens in a session of the 2025 revisions stays open while nothing is asked. It may not outlive what opened it. */

interface Stream {
  readonly session: string
  readonly status: number
  /** Resolves with everything that was sent once the stream has ended in order. */
  readonly ended: Promise<string>
  readonly over: () => boolean
}

async function openStream(url: string, token: string, session?: string): Promise<Stream> {
  const id = session ?? String((await rpc(url, token, initialize)).headers['mcp-session-id'])
  const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream', 'mcp-session-id': id }
  const answer = await fetch(url, { headers })
  let over = false
  const ended = answer.text().finally(() => (over = true))
  return { session: id, status: answer.status, ended, over: () => over }
}

describe('the stream of a session', () => {
  it('ends when the token that opened it does, though the clock is set back, and does not come back', async () => {
    const { tokens, clock, token } = tokenBench()
    await using bench = await listening(tokens, clock)
    const short = token({ jti: 'a', exp: Math.floor(clock.nowMs() / 1000) + 60 })
    const goes = await openStream(bench.url, short)
    const stays = await openStream(bench.url, token({ jti: 'b' }))
    expect([goes.status, stays.status]).toEqual([200, 200])
    clock.advance(60_000)
    clock.step(-3_600_000)
    expect(await goes.ended).toBe('')
    expect(stays.over()).toBe(false)
    expect((await openStream(bench.url, short, goes.session)).status).toBe(401)
  })

  it('ends when its issuer withdraws the key, and another issuer’s goes on', async () => {
    const { own, clock, token } = tokenBench()
    const trusted = trusting(own)
    const keys = { gone: false }
    const other = tokenBench()
    const issuer = 'https://other.example'
    const tokens = verifier({
      issuers: [
        { ...trusted, keys: { keys: (kid) => (keys.gone ? [] : trusted.keys.keys(kid)) } },
        trusting(other.own, { issuer }),
      ],
      audience: testAudience,
      clock,
      cacheMax: 10,
    })
    await using bench = await listening(tokens, clock)
    const stays = await openStream(bench.url, other.token({ iss: issuer }))
    const goes = await openStream(bench.url, token())
    expect([stays.status, goes.status]).toEqual([200, 200])
    keys.gone = true
    await goes.ended
    expect(stays.over()).toBe(false)
  })

  const stops: readonly (readonly [
    string,
    Caller,
    (gateway: TestGateway, token: string) => Promise<string>,
    number,
  ])[] = [
    ['token', {}, async (_, token) => claimsOf(token)['jti'] as string, 401],
    ['tenant', { tenant: 'globex' }, async () => 'globex', 403],
    ['session', { sid: 'long-run' }, sessionOf, 403],
  ]
  it.each(stops)('ends when a switch stops its %s, and no other does', async (kind, caller, target, refused) => {
    await using gateway = await openTestGateway()
    const token = gateway.token({ sub: 'agent:stopped', ...caller })
    const stays = await openStream(gateway.mcp, gateway.token({ sub: 'agent:other' }))
    const goes = await openStream(gateway.mcp, token)
    expect([stays.status, goes.status]).toEqual([200, 200])
    const order = { kind: kind as 'token', target: await target(gateway, token), reason: 'a drill' }
    await gateway.started.gateway.switches.engage(order, { kind: 'operator', name: 'test' })
    await goes.ended
    expect(stays.over()).toBe(false)
    expect((await openStream(gateway.mcp, token, goes.session)).status).toBe(refused)
  })

  it('ends when its session is deleted', async () => {
    await using gateway = await openTestGateway()
    const token = gateway.token()
    const { session, ended } = await openStream(gateway.mcp, token)
    const headers = { authorization: `Bearer ${token}`, 'mcp-session-id': session }
    expect((await send(gateway.mcp, { method: 'DELETE', headers })).status).toBe(200)
    await ended
    expect((await openStream(gateway.mcp, token, session)).status).toBe(404)
  })
})

describe('a token that a switch revoked', () => {
  it('opens no session, lists nothing, and is on record', async () => {
    await using gateway = await openTestGateway()
    const token = gateway.token({ sub: 'agent:revoked' })
    const first = await rpc(gateway.mcp, token, initialize)
    const session = { 'mcp-session-id': String(first.headers['mcp-session-id']) }
    const order = { kind: 'token', target: claimsOf(token)['jti'] as string, reason: 'a drill' } as const
    await gateway.started.gateway.switches.engage(order, { kind: 'operator', name: 'test' })
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    for (const answer of [await rpc(gateway.mcp, token, initialize), await rpc(gateway.mcp, token, list, session)]) {
      expect([answer.status, answer.message.error?.message]).toEqual([
        401,
        expect.stringMatching(/^DENY unauthenticated: /),
      ])
      expect(answer.headers['mcp-session-id']).toBeUndefined()
    }
    const records = (await gateway.records()).filter(({ decision }) => decision?.reasonCode === 'unauthenticated')
    expect(records.map(({ ext }) => ext?.['cause'])).toEqual(Array(2).fill('jti: The token was revoked.'))
  })

  it('is not the only one: a stopped session is shown no tools', async () => {
    await using gateway = await openTestGateway()
    const token = gateway.token({ sub: 'agent:stopped', sid: 'listing' })
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    const listed = async () => (await rpc(gateway.mcp, token, list)).message.result?.tools?.length
    expect(await listed()).toBe(4)
    const order = { kind: 'session', target: await sessionOf(gateway, token), reason: 'a drill' } as const
    await gateway.started.gateway.switches.engage(order, { kind: 'operator', name: 'test' })
    expect(await listed()).toBe(0)
  })
})

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
}

async function sessionOf({ started }: TestGateway, token: string): Promise<string> {
  const identity = await started.gateway.service.prove({ credential: { kind: 'bearer', token }, transport: 'http' })
  return identity.ok ? identity.who.session : ''
}

/** A listener that believes in these tokens, and does nothing else. */
async function listening(
  tokens: ReturnType<typeof tokenBench>['tokens'],
  clock: ReturnType<typeof tokenBench>['clock'],
) {
  const time = steadyTime(clock)
  const state = memoryState()
  const identities = identifier({
    verifier: tokens,
    replay: replay({ state, time, mode: 'bound' }),
    dpop: { state, time, pace: proofPace(clock) },
    directory: directory([]),
    sessionKey: Buffer.alloc(32, 1),
    homeRegion: () => 'US',
  })
  const service = {
    ...identities,
    stopped: () => undefined,
    call: refusedCall,
    tools: () => [],
    unrecorded: () => undefined,
  }
  const where = { host: '127.0.0.1', port: 0, authorizationServers: [], scopes: [] }
  const listener = await listenHttp({ ...where, service, clock, fault: () => undefined, dials: { lookEveryMs: 20 } })
  return { url: listener.url, [Symbol.asyncDispose]: () => listener.close() }
}
