import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { connect, refusal } from '../support/clients.ts'
import { openTestGateway, type Caller, type TestGateway } from '../support/gateway.ts'
import { deniedCodeIn, initialize, legacyCall, modern, modernCall, rpc, send, type Answer } from '../support/wire.ts'

/* One bearer token in several hands, over HTTP: whose it is, and what the others get. */

const auth = {
  tenants: { acme: { home: 'US' }, globex: { home: 'EU' } },
  regions: { EU: 'eu-west', US: 'us-east' },
}
const open = (replay?: 'bound' | 'strict') =>
  openTestGateway({ over: { auth: { ...auth, ...(replay && { replay }) } } })

const seen = (answer: Answer) => [answer.status, deniedCodeIn(answer.message)]
const read = { from: '2025-08-01', to: '2025-08-01' }
const flag = () => ({ name: 'checkout', env: 'staging', rolloutPct: 5, idemKey: randomUUID() })

async function openSession(gateway: TestGateway, token: string) {
  const opened = await rpc(gateway.mcp, token, initialize)
  const headers = { 'mcp-session-id': String(opened.headers['mcp-session-id']), 'mcp-protocol-version': '2025-11-25' }
  return { opened, headers }
}

const stateless = (gateway: TestGateway, token: string, name = 'orders.export', args: object = read) => {
  const { body, headers } = modernCall(name, args)
  return rpc(gateway.mcp, token, body, headers)
}

const replays = async (gateway: TestGateway) =>
  (await gateway.records()).filter(({ decision }) => decision?.reasonCode === 'token_replayed')

describe('a token that opened a session', () => {
  it('is good in that session, and nowhere else', async () => {
    await using gateway = await open('bound')
    const token = gateway.token()
    const one = await openSession(gateway, token)
    expect(one.opened.status).toBe(200)
    expect((await rpc(gateway.mcp, token, legacyCall('orders.export', read), one.headers)).status).toBe(200)
    const two = await rpc(gateway.mcp, token, initialize)
    expect(seen(two)).toEqual([401, 'token_replayed'])
    expect(two.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token"/)
    expect(two.headers['mcp-session-id']).toBeUndefined()
    expect(two.message.id).toBe(initialize.id)
    expect(seen(await stateless(gateway, token))).toEqual([401, 'token_replayed'])
    expect(seen(await rpc(gateway.mcp, token, legacyCall('orders.export', read)))).toEqual([401, 'token_replayed'])
    const other = await openSession(gateway, gateway.token())
    expect(seen(await rpc(gateway.mcp, token, legacyCall('orders.export', read), other.headers))).toEqual([
      401,
      'token_replayed',
    ])
    expect((await rpc(gateway.mcp, token, legacyCall('orders.export', read), one.headers)).status).toBe(200)
  })

  it('is not the thief’s, who took it before its session was opened twice at once: one of them wins', async () => {
    await using gateway = await open('bound')
    for (let round = 0; round < 10; round += 1) {
      const token = gateway.token()
      const both = await Promise.all([rpc(gateway.mcp, token, initialize), rpc(gateway.mcp, token, initialize)])
      expect(both.map(({ status }) => status).toSorted()).toEqual([200, 401])
      const lost = both.find(({ status }) => status === 401)
      expect(lost?.headers['mcp-session-id']).toBeUndefined()
    }
  })

  it('leaves a record of each attempt elsewhere, that names the token', async () => {
    await using gateway = await open('bound')
    const token = gateway.token({ sub: 'agent:victim' })
    await openSession(gateway, token)
    await rpc(gateway.mcp, token, initialize)
    await stateless(gateway, token)
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }
    const records = await replays(gateway)
    expect(records.map(({ type, tenant, actor }) => [type, tenant, actor?.id, actor?.jti])).toEqual([
      ['call.decision', 'acme', 'agent:victim', jti],
      ['call.decision', 'acme', 'agent:victim', jti],
    ])
    expect(records[0]?.ext?.['cause']).toMatch(/first shown by another protocol session; this is a protocol session/)
  })

  it('is on record in other hands, however many strangers call beside it', async () => {
    await using gateway = await open('bound')
    const token = gateway.token()
    await openSession(gateway, token)
    const flood = await Promise.all(Array.from({ length: 100 }, () => stateless(gateway, 'not.a.token')))
    expect(flood.filter(({ status }) => status === 429).length).toBeGreaterThan(0)
    expect(seen(await stateless(gateway, token))).toEqual([401, 'token_replayed'])
    expect(await replays(gateway)).toHaveLength(1)
  })

  it('is not used up by a handshake that failed', async () => {
    await using gateway = await open('bound')
    const token = gateway.token()
    const bad = await rpc(gateway.mcp, token, initialize, { accept: 'text/plain' })
    expect(bad.status).toBe(406)
    expect((await rpc(gateway.mcp, token, initialize)).status).toBe(200)
  })

  it('cannot be named away: a session that nobody opened takes no token', async () => {
    await using gateway = await open('bound')
    const token = gateway.token()
    const made = { 'mcp-session-id': randomUUID(), 'mcp-protocol-version': '2025-11-25' }
    expect((await rpc(gateway.mcp, token, legacyCall('orders.export', read), made)).status).toBe(404)
    expect((await rpc(gateway.mcp, token, initialize)).status).toBe(200)
  })

  it('goes on with the next token of the same caller', async () => {
    await using gateway = await open('bound')
    const caller: Caller = { sub: 'agent:long', sid: 'one' }
    const { headers } = await openSession(gateway, gateway.token(caller))
    const next = gateway.token(caller)
    expect((await rpc(gateway.mcp, next, legacyCall('orders.export', read), headers)).status).toBe(200)
    expect(seen(await rpc(gateway.mcp, next, initialize))).toEqual([401, 'token_replayed'])
  })
})

describe('a token that was shown outside a session', () => {
  it('is no session’s any more', async () => {
    await using gateway = await open('bound')
    const token = gateway.token()
    expect((await stateless(gateway, token)).status).toBe(200)
    expect((await stateless(gateway, token)).status).toBe(200)
    expect(seen(await rpc(gateway.mcp, token, initialize))).toEqual([401, 'token_replayed'])
  })

  it('changes nothing, and is told what would', async () => {
    await using gateway = await open('bound')
    const token = gateway.token()
    const { body, headers } = modern('tools/list')
    expect((await rpc(gateway.mcp, token, body, headers)).message.result?.tools?.length).toBe(4)
    const answer = await stateless(gateway, token, 'flag.set', flag())
    expect(answer.status).toBe(200)
    expect(answer.message.result).toMatchObject({
      isError: true,
      structuredContent: { denied: { code: 'policy_denied' } },
    })
    expect(answer.text).toMatch(/bound to your client certificate or to a DPoP key, or call from a session/)
    expect(gateway.requests()).toEqual([])
    const own = gateway.token()
    const session = await openSession(gateway, own)
    const changed = await rpc(gateway.mcp, own, legacyCall('flag.set', flag()), session.headers)
    expect(changed.message.result?.isError).toBeUndefined()
  })
})

describe('a token that is for one use', () => {
  it('is used up by each request, whatever it asked', async () => {
    await using gateway = await open('strict')
    const token = gateway.token()
    expect((await stateless(gateway, token, 'flag.set', flag())).message.result?.isError).toBeUndefined()
    expect(seen(await stateless(gateway, token))).toEqual([401, 'token_replayed'])
    const opening = gateway.token()
    const { headers, opened } = await openSession(gateway, opening)
    expect(opened.status).toBe(200)
    expect(seen(await rpc(gateway.mcp, opening, legacyCall('orders.export', read), headers))).toEqual([
      401,
      'token_replayed',
    ])
    expect(
      (await rpc(gateway.mcp, gateway.token({ sid: 'x' }), legacyCall('orders.export', read), headers)).status,
    ).toBe(200)
  })

  it('is used once of many requests at one time', async () => {
    await using gateway = await open('strict')
    const token = gateway.token()
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => stateless(gateway, token)))).map(
      ({ status }) => status,
    )
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 401)).toHaveLength(7)
  })
})

describe('a developer’s token on loopback', () => {
  it('serves several clients at one time while configuration says nothing else', async () => {
    await using gateway = await open()
    const token = gateway.token()
    const sessions = [await openSession(gateway, token), await openSession(gateway, token)]
    expect(sessions.map(({ opened }) => opened.status)).toEqual([200, 200])
    expect((await stateless(gateway, token, 'flag.set', flag())).message.result?.isError).toBeUndefined()
    expect(await replays(gateway)).toEqual([])
  })
})

describe('a state that cannot be asked whose a token is', () => {
  it('lets nobody in, says that it is not the caller’s fault, and leaves a record', async () => {
    await using gateway = await open('bound')
    const token = gateway.token()
    const { headers } = await openSession(gateway, token)
    const db = new DatabaseSync(join(gateway.data, 'state.db'))
    db.exec('DROP TABLE remembered')
    db.close()
    for (const answer of [
      await rpc(gateway.mcp, token, legacyCall('orders.export', read), headers),
      await stateless(gateway, gateway.token()),
      await rpc(gateway.mcp, gateway.token(), initialize),
    ]) {
      expect(seen(answer)).toEqual([503, 'internal'])
      expect(answer.headers['retry-after']).toBe('1')
      expect(answer.headers['mcp-session-id']).toBeUndefined()
      expect(answer.text).not.toMatch(/sqlite|remembered/i)
    }
    const records = (await gateway.records()).filter(({ decision }) => decision?.reasonCode === 'internal')
    expect(records).toHaveLength(3)
    expect(gateway.requests()).toEqual([])
  })

  it('is asked by nobody without a token', async () => {
    await using gateway = await open('bound')
    expect((await send(gateway.mcp, { body: '{}' })).status).toBe(401)
  })
})

describe('unmodified clients, where tokens are tied to their senders', () => {
  it.each(['v1', 'v2 legacy'] as const)('work in the session that each opens: %s', async (kind) => {
    await using gateway = await open('bound')
    const token = gateway.token()
    await using client = await connect(kind, { kind: 'http', url: gateway.mcp, token })
    expect((await client.list()).length).toBe(4)
    expect(await client.call('flag.set', flag())).toMatchObject({ ok: true })
    expect((await refusal(kind, { kind: 'http', url: gateway.mcp, token })).ok).toBe(false)
    expect(await client.call('orders.export', read)).toMatchObject({ ok: true })
  })

  it('read without a session, and are told what it takes to change something: v2 modern', async () => {
    await using gateway = await open('bound')
    await using client = await connect('v2 modern', { kind: 'http', url: gateway.mcp, token: gateway.token() })
    expect(await client.call('orders.export', read)).toMatchObject({ ok: true })
    const denied = { code: 'policy_denied', elevate: { how: expect.stringContaining('DPoP') as string } }
    expect(await client.call('flag.set', flag())).toMatchObject({ ok: false, structured: { denied } })
  })
})
