import { randomUUID } from 'node:crypto'
import { connect as connectSocket } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run, type Run } from '../support/child.ts'
import { openTestGateway, recordsIn, type TestGateway } from '../support/gateway.ts'
import {
  deniedCodeIn,
  initialize,
  legacyCall,
  modern,
  modernCall,
  rpc,
  send,
  type Answer,
  type Message,
} from '../support/wire.ts'

let gate: TestGateway
beforeAll(async () => {
  const tireless = { limits: { rpm: 100_000, burst: 100_000 }, stop_rules: { max_retries: 100_000 } }
  const hasty = { principal: 'agent:hasty', limits: { rpm: 1, burst: 1 } }
  const single = { principal: 'agent:single', limits: { concurrency: 0 } }
  gate = await openTestGateway({ over: { principals: [{ principal: 'agent:release', ...tireless }, hasty, single] } })
})
afterAll(() => gate.close())

const week = { from: '2025-09-01', to: '2025-09-01' }
const flag = (more: object = {}) => ({ name: 'wire', env: 'dev', rolloutPct: 5, idemKey: randomUUID(), ...more })

function call(name: string, args: object, token = gate.token()): Promise<Answer> {
  const { body, headers } = modernCall(name, args)
  return rpc(gate.mcp, token, body, headers)
}

const codeOf = ({ message }: Answer) => deniedCodeIn(message)

describe('MCP over HTTP, 2026-07-28', () => {
  it('answers a call without any session', async () => {
    const answer = await call('orders.export', week)
    expect(answer.status).toBe(200)
    expect(answer.headers['mcp-session-id']).toBeUndefined()
    expect(answer.message.result).toMatchObject({ structuredContent: { range: week } })
    expect(answer.message.result?.isError).toBeUndefined()
  })

  it('lists what the grants open, in the same order each time, for this caller only', async () => {
    const { body, headers } = modern('tools/list')
    const list = async (grants?: string[]) => rpc(gate.mcp, gate.token(grants && { grants }), body, headers)
    const all = await list()
    expect(all.message.result).toMatchObject({ cacheScope: 'private' })
    expect(all.message.result?.tools).toEqual((await list()).message.result?.tools)
    expect((await list(['web.fetch'])).message.result?.tools?.map(({ name }) => name)).toEqual(['web.fetchSafe'])
  })

  it('closes every object schema it advertises', async () => {
    const { body, headers } = modern('tools/list')
    const { message } = await rpc(gate.mcp, gate.token(), body, headers)
    for (const { inputSchema } of message.result?.tools ?? []) expect(inputSchema['additionalProperties']).toBe(false)
  })

  it('answers an unknown tool with -32602 and an unknown method with -32601', async () => {
    expect((await call('orders.destroy', {})).message.error).toMatchObject({
      code: -32602,
      data: { denied: { code: 'unknown_tool' } },
    })
    const { body, headers } = modern('orders/destroy')
    expect((await rpc(gate.mcp, gate.token(), body, headers)).message.error?.code).toBe(-32601)
  })

  it('answers 403 with the scopes that are missing', async () => {
    const answer = await call('flag.set', flag({ env: 'staging' }), gate.token({ grants: ['flags.write:dev'] }))
    expect([answer.status, codeOf(answer)]).toEqual([403, 'scope_missing'])
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer error="insufficient_scope", scope="flags\.write:staging", resource_metadata="http:\/\/127/,
    )
  })

  it('answers 429 with Retry-After to a caller who is too fast', async () => {
    const token = gate.token({ sub: 'agent:hasty' })
    expect((await call('orders.export', week, token)).status).toBe(200)
    const answer = await call('orders.export', week, token)
    expect([answer.status, codeOf(answer)]).toEqual([429, 'rate_limited'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    const busy = await call('orders.export', week, gate.token({ sub: 'agent:single' }))
    expect([busy.status, codeOf(busy)]).toEqual([429, 'concurrency_limited'])
    expect(busy.headers['retry-after']).toBe('1')
  })
})

describe('MCP over HTTP, 2025-11-25', () => {
  it('opens a session, serves it, and ends it', async () => {
    const token = gate.token()
    const session = await open(token)
    const listed = await rpc(gate.mcp, token, { jsonrpc: '2.0', id: 2, method: 'tools/list' }, session)
    expect(listed.message.result?.tools).toHaveLength(4)
    const answer = await rpc(gate.mcp, token, legacyCall('orders.export', week), session)
    expect(answer.message.result).toMatchObject({ structuredContent: { range: week } })
    const ended = await send(gate.mcp, { method: 'DELETE', headers: { authorization: `Bearer ${token}`, ...session } })
    expect(ended.status).toBe(200)
    expect((await rpc(gate.mcp, token, legacyCall('orders.export', week), session)).status).toBe(404)
  })

  it('serves a call without a session too', async () => {
    const answer = await rpc(gate.mcp, gate.token(), legacyCall('orders.export', week), {
      'mcp-protocol-version': '2025-11-25',
    })
    expect([answer.status, answer.message.result?.isError]).toEqual([200, undefined])
  })

  it('answers refusals with the same statuses', async () => {
    const token = gate.token({ grants: ['flags.write:dev'] })
    const session = await open(token)
    const answer = await rpc(gate.mcp, token, legacyCall('flag.set', flag({ env: 'staging' })), session)
    expect([answer.status, codeOf(answer)]).toEqual([403, 'scope_missing'])
  })

  it('asks for the token on every request of a session', async () => {
    const session = await open(gate.token())
    const body = JSON.stringify(legacyCall('orders.export', week))
    expect((await send(gate.mcp, { headers: session, body })).status).toBe(401)
  })

  it('gives a session to nobody but its principal', async () => {
    const session = await open(gate.token())
    for (const other of [{ sub: 'agent:mallory' }, { tenant: 'initech' }]) {
      const answer = await rpc(gate.mcp, gate.token(other), legacyCall('orders.export', week), session)
      expect(answer.status).toBe(404)
    }
  })
})

describe('a killed session of the 2025 revision', () => {
  it('stays killed after the agent opens another, or calls without one', async () => {
    const token = gate.token({ sub: 'agent:looping', sid: '' })
    const session = await open(token)
    expect(
      (await rpc(gate.mcp, token, legacyCall('orders.export', week), session)).message.result?.isError,
    ).toBeUndefined()
    const target = (await gate.records()).findLast(({ actor }) => actor?.id === 'agent:looping')?.session ?? ''
    expect(target).toMatch(/^[0-9a-f]{12}-n[0-9a-f]{12}$/)
    await gate.started.gateway.switches.engage(
      { kind: 'session', target, reason: 'test' },
      { kind: 'operator', name: 'test' },
    )
    expect(codeOf(await rpc(gate.mcp, token, legacyCall('orders.export', week), session))).toBe('session_killed')
    const again = await open(token)
    expect(again).not.toEqual(session)
    expect(codeOf(await rpc(gate.mcp, token, legacyCall('orders.export', week), again))).toBe('session_killed')
    expect(codeOf(await rpc(gate.mcp, token, legacyCall('orders.export', week)))).toBe('session_killed')
    expect(codeOf(await call('orders.export', week, token))).toBe('session_killed')
    const fresh = gate.token({ sub: 'agent:looping', sid: '' })
    expect(codeOf(await call('orders.export', week, fresh))).toBe('session_killed')
    expect(codeOf(await call('orders.export', week, gate.token({ sub: 'agent:looping' })))).toBeUndefined()
  })
})

describe('the HTTP edge', () => {
  it.each([
    ['no token', {}],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['a token that nobody signed', { authorization: 'Bearer abc.def.ghi' }],
    ['an empty token', { authorization: 'Bearer ' }],
  ])('answers 401 with a challenge to %s', async (_what, headers) => {
    const { body, headers: version } = modernCall('orders.export', week)
    const answer = await send(gate.mcp, { headers: { ...version, ...headers }, body: JSON.stringify(body) })
    expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthenticated'])
    expect(answer.headers['www-authenticate']).toContain(
      `resource_metadata="${gate.mcp.replace('/mcp', '')}/.well-known/`,
    )
    // The body is not read, so the request's id is not known.
    expect(answer.message.id).toBe(null)
  })

  it('refuses two Authorization headers, even when both are valid', async () => {
    const { body, headers } = modernCall('orders.export', week)
    const good = `Bearer ${gate.token()}`
    const answer = await send(gate.mcp, {
      headers: { ...headers, authorization: [good, good] },
      body: JSON.stringify(body),
    })
    expect(answer.status).toBe(401)
  })

  it('takes no token from the query', async () => {
    const { body, headers } = modernCall('orders.export', week)
    const url = `${gate.mcp}?access_token=${gate.token()}&authorization=${gate.token()}`
    expect((await send(url, { headers, body: JSON.stringify(body) })).status).toBe(401)
  })

  it('challenges the holder of a revoked token', async () => {
    const token = gate.token({ sub: 'agent:revoked' })
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }
    await gate.started.gateway.switches.engage(
      { kind: 'token', target: jti, reason: 'test' },
      { kind: 'operator', name: 'test' },
    )
    const answer = await call('orders.export', week, token)
    expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthenticated'])
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token", resource_metadata=/)
  })

  it('names its authorization servers and scopes (RFC 9728)', async () => {
    for (const path of ['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp']) {
      const { status, text } = await send(new URL(path, gate.mcp).href, { method: 'GET' })
      expect(status).toBe(200)
      expect(JSON.parse(text)).toMatchObject({ resource: gate.mcp, bearer_methods_supported: ['header'] })
    }
  })

  const listeners = () => [
    ['agents', gate.mcp],
    ['operators', `${gate.admin}/healthz`],
  ]
  it.each([
    ['a Host of somebody else', { host: 'attacker.example' }],
    ['a Host that only begins like ours', { host: '127.0.0.1.attacker.example' }],
    ['a foreign Origin', { origin: 'https://attacker.example' }],
    ['the Origin "null"', { origin: 'null' }],
    ['our origin at another port', { origin: 'http://127.0.0.1:1' }],
  ])('refuses %s with 403 on every listener', async (_what, headers) => {
    for (const [name, url] of listeners()) {
      const answer = await send(url ?? '', { method: name === 'agents' ? 'POST' : 'GET', headers, body: '' })
      expect([name, answer.status]).toEqual([name, 403])
    }
  })

  it('refuses a request without Host, or with two', async () => {
    for (const [, url] of listeners()) {
      const { port, pathname } = new URL(url ?? '')
      expect(await raw(Number(port), `GET ${pathname} HTTP/1.1\r\nConnection: close\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 40[03] /,
      )
      const twice = `GET ${pathname} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n`
      expect(await raw(Number(port), twice)).toMatch(/^HTTP\/1\.1 40[03] /)
    }
  })

  it('refuses a batch with 400, whichever the revision', async () => {
    const batch = JSON.stringify([legacyCall('orders.export', week), legacyCall('orders.export', week, 2)])
    for (const more of [{}, { 'mcp-protocol-version': '2025-03-26' }, modernCall('orders.export', week).headers]) {
      const answer = await send(gate.mcp, {
        headers: { authorization: `Bearer ${gate.token()}`, ...more },
        body: batch,
      })
      expect([answer.status, answer.message.error?.code]).toEqual([400, -32600])
    }
  })

  it('refuses more than 1 MiB with 413, and takes 1 MiB', async () => {
    const { body, headers } = modernCall('orders.export', week)
    const text = JSON.stringify(body)
    const padded = (size: number) => text + ' '.repeat(size - text.length)
    const authorization = { authorization: `Bearer ${gate.token()}`, ...headers }
    expect((await send(gate.mcp, { headers: authorization, body: padded(1024 * 1024) })).status).toBe(200)
    const answer = await send(gate.mcp, { headers: authorization, body: padded(1024 * 1024 + 1) })
    expect([answer.status, codeOf(answer)]).toEqual([413, 'invalid_arguments'])
    expect(answer.message.error?.message).toBe('DENY invalid_arguments: A message may have at most 1 MiB.')
  })

  it.each(ambiguous())('refuses %s with 400', async (_what, text, why) => {
    const { headers } = modernCall('flag.set', {})
    const answer = await send(gate.mcp, {
      headers: { authorization: `Bearer ${gate.token()}`, ...headers },
      body: text,
    })
    expect([answer.status, answer.message.error?.code]).toEqual([400, -32700])
    expect(answer.message.error?.message).toMatch(why)
  })

  it.each(['TRACE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD'])('answers %s with 405 and what is allowed', async (method) => {
    const answer = await send(gate.mcp, { method, headers: { authorization: `Bearer ${gate.token()}` } })
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, POST, DELETE'])
  })

  it('opens the stream of a session again after its client has dropped it', async () => {
    const token = gate.token()
    const session = await open(token)
    for (let round = 0; round < 2; round += 1) {
      const gone = new AbortController()
      const headers = { ...session, authorization: `Bearer ${token}`, accept: 'text/event-stream' }
      const stream = await fetch(gate.mcp, { headers, signal: gone.signal })
      expect(stream.status).toBe(200)
      gone.abort()
      await new Promise((resolve) => setImmediate(resolve))
      await call('orders.export', week)
    }
  })

  it('refuses what is not JSON by its type, and other paths', async () => {
    const token = { authorization: `Bearer ${gate.token()}` }
    expect((await send(gate.mcp, { headers: { ...token, 'content-type': 'text/plain' }, body: '{}' })).status).toBe(415)
    expect((await send(gate.mcp.replace('/mcp', '/other'), { headers: token, body: '{}' })).status).toBe(404)
  })

  it('gives every answer the headers that keep it from caches and sniffers', async () => {
    const answers = [
      await call('orders.export', week),
      await call('orders.export', week, 'x'),
      await send(gate.mcp, { body: '[]' }),
    ]
    for (const { headers } of answers)
      expect(headers).toMatchObject({
        'cache-control': expect.stringMatching(/no-store|no-cache/) as string,
        'x-content-type-options': 'nosniff',
      })
  })

  it('never blames itself for what a caller sends', async () => {
    const token = { authorization: `Bearer ${gate.token()}` }
    const body = fc.oneof(
      fc.json(),
      fc.json().map((params) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`),
      fc.string(),
    )
    await fc.assert(
      fc.asyncProperty(body, fc.boolean(), async (text, session) => {
        const answer = await send(gate.mcp, {
          headers: { ...token, ...(session && { 'mcp-session-id': 'x' }) },
          body: text,
        })
        expect(answer.status).toBeGreaterThanOrEqual(200)
        expect(answer.status).toBeLessThan(500)
        expect(answer.message.error?.code).not.toBe(-32603)
      }),
      { numRuns: 80 },
    )
  })
})

describe('MCP over stdio', () => {
  let data: string
  let server: Run
  const answers = () => server.stdout().split('\n').slice(0, -1)
  const say = (text: string) => server.process.stdin.write(`${text}\n`)
  const reply = async (id: unknown) =>
    JSON.parse(await server.line('stdout', (line) => (JSON.parse(line) as Message).id === id)) as Message

  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'sluicegate-stdio-'))
    // Somebody's library prints whatever it likes, from the moment the guard stands.
    const noise = `setInterval(() => { if (process.stdout.fd !== 1) { console.log('stray'); process.stdout.write('stray\\n') } }, 20).unref()`
    server = run(['serve', '--stdio', '--data', data], {}, [
      '--import',
      `data:text/javascript,${encodeURIComponent(noise)}`,
    ])
    say(JSON.stringify(initialize))
    await reply(0)
    say(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }))
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    rmSync(data, { recursive: true, force: true })
  })

  it('takes a local process without a token for agent:local, with the grants configured for it', async () => {
    say(JSON.stringify({ jsonrpc: '2.0', id: 'list', method: 'tools/list' }))
    expect((await reply('list')).result?.tools?.map(({ name }) => name)).toEqual([
      'orders.export',
      'flag.set',
      'web.fetchSafe',
    ])
    say(JSON.stringify(legacyCall('flag.set', flag({ env: 'prod' }), 'prod')))
    expect((await reply('prod')).result).toMatchObject({
      isError: true,
      structuredContent: { denied: { code: 'scope_missing' } },
    })
    const [record] = (await recordsIn(data)).filter(({ type }) => type === 'call.decision')
    expect(record).toMatchObject({
      tenant: 'local',
      actor: { id: 'agent:local' },
      session: expect.stringMatching(/-p/) as string,
    })
  })

  it.each(ambiguous())('refuses %s', async (_what, text, why) => {
    const before = answers().length
    say(text)
    await server.line('stdout', () => answers().length > before)
    const { error } = JSON.parse(answers()[before] ?? '{}') as Message
    expect(error).toMatchObject({ code: -32700, message: expect.stringMatching(why) as string })
  })

  it('refuses a batch, and a line of more than 1 MiB, and goes on', async () => {
    say(JSON.stringify([legacyCall('orders.export', week)]))
    await server.line('stdout', (line) => line.includes('one message at a time'))
    say(JSON.stringify(legacyCall('flag.set', { name: 'x'.repeat(1024 * 1024) }, 'long')))
    await server.line('stdout', (line) => line.includes('at most 1 MiB'))
    say(JSON.stringify(legacyCall('nothing.there', {}, 'after')))
    expect((await reply('after')).error).toMatchObject({ code: -32602, data: { denied: { code: 'unknown_tool' } } })
  })

  it('writes protocol and nothing else to standard output, and ends with its input', async () => {
    server.process.stdin.end()
    expect(await server.ended()).toBe(0)
    expect(server.stdout().endsWith('\n')).toBe(true)
    for (const line of answers()) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' })
    expect(server.stderr()).toContain('stray')
    expect((await recordsIn(data)).at(-1)?.type).toBe('stream.close')
  })
})

/** What two readers could read differently. */
function ambiguous(): [string, string, RegExp][] {
  const params = (args: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"flag.set","arguments":${args}}}`
  return [
    ['a duplicate key in the arguments', params('{"name":"a","env":"dev","env":"prod","rolloutPct":1}'), /twice/],
    ['a duplicate key in the envelope', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', /twice/],
    ['__proto__ in the arguments', params('{"__proto__":{"env":"prod"},"name":"a"}'), /__proto__.*unknown field/],
    ['__proto__ behind an escape', params('{"\\u005f_proto__":{}}'), /__proto__/],
    ['a number beyond 2^53', params('{"rolloutPct":9007199254740993}'), /2\^53/],
    ['nesting without end', params('['.repeat(40) + ']'.repeat(40)), /nested/],
  ]
}

/** Opens a session and gives the header that names it. */
async function open(token: string): Promise<Record<string, string>> {
  const answer = await rpc(gate.mcp, token, initialize)
  expect(answer.status).toBe(200)
  const session = { 'mcp-session-id': String(answer.headers['mcp-session-id']), 'mcp-protocol-version': '2025-11-25' }
  const ready = await rpc(gate.mcp, token, { jsonrpc: '2.0', method: 'notifications/initialized' }, session)
  expect(ready.status).toBe(202)
  return session
}

/** Writes bytes to a socket and gives what comes back. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(port, '127.0.0.1', () => socket.write(text))
    let got = ''
    socket
      .on('data', (piece) => (got += piece.toString()))
      .on('close', () => resolve(got))
      .on('error', reject)
  })
}
