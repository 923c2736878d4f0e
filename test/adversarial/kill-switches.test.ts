import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/ports/json.ts'
import { ran, run } from '../support/child.ts'
import { openTestGateway, type Caller, type Seen, type TestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { initialize, legacyCall, send, type Answer } from '../support/wire.ts'

const data = mkdtempSync(join(tmpdir(), 'sluicegate-switches-'))
const over = { egress: { allow: ['vendor.example'], hosts: { 'vendor.example': 9 } } }
let gate: TestGateway
beforeAll(async () => {
  gate = await openTestGateway({ data, over })
})
afterAll(async () => {
  await gate.close()
  rmSync(data, { recursive: true, force: true })
})

/** What the admin listener answers to somebody who holds its token. */
async function admin(method: string, path: string, body?: object, token = gate.adminToken): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}` }
  return send(`${gate.admin}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
}

async function engage(kind: string, target: string, more: object = {}): Promise<string> {
  const { status, text } = await admin('POST', '/api/v1/switches', { kind, target, reason: 'a drill', ...more })
  expect([status, text]).toEqual([201, expect.stringContaining('"id"')])
  return (JSON.parse(text) as { id: string }).id
}

const release = (id: string) => admin('DELETE', `/api/v1/switches/${encodeURIComponent(id)}`, { reason: 'drill over' })

const read = (as: Caller) => gate.call('orders.export', { from: '2025-09-01', to: '2025-09-01' }, { as })
const write = (as: Caller, more: JsonObject = {}) =>
  gate.call('flag.set', { name: 'drill', env: 'dev', rolloutPct: 5, idemKey: randomUUID(), ...more }, { as })
const fetchPage = (as: Caller, url: string) => gate.call('web.fetchSafe', { url }, { as })

async function sessionOf(as: Caller): Promise<string> {
  await read(as)
  const record = (await gate.records()).findLast(({ actor }) => actor?.id === as.sub)
  return record?.session ?? ''
}

interface Drill {
  readonly kind: string
  readonly code: string
  /** Switch target, for this caller. */
  readonly target: (as: Caller) => string | Promise<string>
  readonly stopped: (as: Caller) => Promise<Seen>
  /** What must go on all the same. */
  readonly goesOn?: (as: Caller) => Promise<Seen>
}

const stranger: Caller = { sub: 'agent:stranger', tenant: 'initech' }

const drills: readonly Drill[] = [
  { kind: 'session', code: 'session_killed', target: sessionOf, stopped: read, goesOn: () => read(stranger) },
  { kind: 'tool', code: 'quarantined', target: () => 'flag.set', stopped: (as) => write(as), goesOn: read },
  { kind: 'read-only', code: 'read_only', target: () => 'all', stopped: (as) => write(as), goesOn: read },
  {
    kind: 'read-only',
    code: 'read_only',
    target: () => 'acme',
    stopped: (as) => write(as),
    goesOn: () => write(stranger),
  },
  {
    kind: 'egress',
    code: 'egress_denied',
    target: () => 'vendor.example',
    stopped: (as) => fetchPage(as, 'http://vendor.example/'),
    goesOn: read,
  },
  { kind: 'tenant', code: 'tenant_halted', target: () => 'acme', stopped: read, goesOn: () => read(stranger) },
  { kind: 'grant', code: 'scope_missing', target: () => 'flags.write:dev', stopped: (as) => write(as), goesOn: read },
  {
    kind: 'grant',
    code: 'scope_missing',
    target: ({ sub }) => `${sub}/flags.write:dev`,
    stopped: (as) => write(as),
    goesOn: () => write(stranger),
  },
  { kind: 'catalog', code: 'quarantined', target: () => 'all', stopped: read },
  { kind: 'catalog', code: 'quarantined', target: () => 'acme', stopped: read, goesOn: () => read(stranger) },
  { kind: 'approval', code: 'approval_required', target: () => 'all', stopped: (as) => write(as), goesOn: read },
]

describe.each(drills)('a $kind switch that ends calls with $code', ({ kind, code, target, stopped, goesOn }) => {
  it('stops the next call, lets others go on, leaves evidence, and lets go again', async () => {
    const as: Caller = { sub: `agent:drill-${randomUUID().slice(0, 8)}`, sid: randomUUID() }
    const aimed = await target(as)
    const id = await engage(kind, aimed)
    const saw = await stopped(as)
    expect(saw.ended).toBe(code)
    expect(saw.wire).not.toMatch(/a drill|operator|admin/)
    if (goesOn) expect((await goesOn(as)).ended).toBe('ok')
    expect((await release(id)).status).toBe(200)
    expect((await stopped(as)).ended).not.toBe(code)

    const records = await gate.records()
    const about = (type: string) =>
      records.filter((one) => one.type === type && [one.ext?.['id'], one.ext?.['switchId']].includes(id))
    expect(about('kill.apply')).toMatchObject([
      { ext: { kind, target: aimed, reason: 'a drill', issuedBy: { kind: 'operator' } } },
    ])
    expect(about('switch.enforced')).toMatchObject([{ actor: { id: as.sub }, ext: { code, kind } }])
    expect(about('kill.release')).toMatchObject([{ ext: { reason: 'drill over' } }])
    const refused = records.find(({ type, ext }) => /^call\.(decision|outcome)$/.test(type) && ext?.['switchId'] === id)
    expect(refused?.decision).toMatchObject({ effect: 'deny', reasonCode: code })
  })
})

describe('switches', () => {
  it('stop a tool by whatever name it is called', async () => {
    const id = await engage('tool', 'web.fetchSafe')
    const as: Caller = { sub: 'agent:alias' }
    expect((await fetchPage(as, 'http://vendor.example/')).ended).toBe('quarantined')
    expect((await gate.call('web.fetch', { url: 'http://vendor.example/' }, { as })).ended).toBe('quarantined')
    await release(id)
  })

  it('revoke one token and no other', async () => {
    const credential = (token: string) => ({ kind: 'bearer', token }) as const
    const [revoked, other] = [gate.token({ sub: 'agent:two' }), gate.token({ sub: 'agent:two' })]
    const { jti } = JSON.parse(Buffer.from(revoked.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }
    const id = await engage('token', jti)
    const ask = (token: string) =>
      gate.call('orders.export', { from: '2025-09-01', to: '2025-09-01' }, { credential: credential(token) })
    expect((await ask(revoked)).ended).toBe('unauthenticated')
    expect((await ask(other)).ended).toBe('ok')
    await release(id)
  })

  it('lower a limit from the next call on, and only lower it', async () => {
    const as: Caller = { sub: 'agent:eager' }
    const id = await engage('limits', 'agent:eager', { set: { rpm: 1 } })
    const ends = [await read(as), await write(as), await write(as)].map(({ ended }) => ended)
    expect(ends).toContain('rate_limited')
    await release(id)
    const raised = await engage('limits', 'agent:greedy', { set: { rpm: 1_000_000, concurrency: 1_000_000 } })
    const many = await Promise.all(Array.from({ length: 40 }, () => write({ sub: 'agent:greedy' })))
    expect(many.some(({ ended }) => ended === 'concurrency_limited')).toBe(true)
    await release(raised)
  })

  it('keep a killed session killed with a new token, until its issuer opens another', async () => {
    const as: Caller = { sub: 'agent:again', sid: randomUUID() }
    const id = await engage('session', await sessionOf(as))
    expect((await read(as)).ended).toBe('session_killed')
    expect((await read({ ...as, grants: ['orders.read'] })).ended).toBe('session_killed')
    expect((await read({ ...as, sid: randomUUID() })).ended).toBe('ok')
    await release(id)
  })

  it('end by themselves when their time is up, and say so', async () => {
    const as: Caller = { sub: 'agent:brief' }
    const id = await engage('tool', 'orders.export', { ttlMs: 5_000 })
    expect((await read(as)).structured).toMatchObject({
      denied: { code: 'quarantined', retryAfterMs: expect.any(Number) as number },
    })
    await until(async () => (await read(as)).ended !== 'quarantined', 'its end')
    const released = async () =>
      (await gate.records()).some(({ type, ext }) => type === 'kill.release' && ext?.['id'] === id)
    await until(released, 'its end to be on record')
    expect((await admin('GET', '/api/v1/switches')).text).not.toContain(id)
  })

  it('survive a restart, as do their releases', async () => {
    const as: Caller = { sub: 'agent:survivor', sid: randomUUID() }
    const killed = await engage('session', await sessionOf(as))
    const let_go = await engage('tool', 'crm.bulk_update')
    await release(let_go)
    await gate.close()
    gate = await openTestGateway({ data, over })
    expect((await read(as)).ended).toBe('session_killed')
    const { switches } = JSON.parse((await admin('GET', '/api/v1/switches')).text) as {
      switches: readonly { id: string }[]
    }
    expect(switches.map(({ id }) => id)).toEqual([killed])
    await release(killed)
    expect((await read(as)).ended).toBe('ok')
  })
})

describe('MCP_READ_ONLY=1', () => {
  it('engages read-only at the start, over whatever was engaged before', async () => {
    const own = mkdtempSync(join(tmpdir(), 'sluicegate-read-only-'))
    await using server = run(['serve', '--stdio', '--data', own], { MCP_READ_ONLY: '1' })
    const ask = async (id: string, name: string, args: object) => {
      server.process.stdin.write(`${JSON.stringify(legacyCall(name, args, id))}\n`)
      return server.line('stdout', (line) => line.includes(`"id":"${id}"`))
    }
    server.process.stdin.write(`${JSON.stringify(initialize)}\n`)
    expect(await ask('write', 'flag.set', { name: 'f', env: 'dev', rolloutPct: 5, idemKey: randomUUID() })).toContain(
      'DENY read_only: ',
    )
    expect(await ask('read', 'orders.export', { from: '2025-09-01', to: '2025-09-01' })).not.toContain('read_only')
    server.process.stdin.end()
    expect(await server.ended()).toBe(0)
    rmSync(own, { recursive: true, force: true })
  })
})

describe('the admin listener', () => {
  const order = { kind: 'tool', target: 'flag.set', reason: 'x' }

  it('gives orders to nobody without its token', async () => {
    for (const token of ['', 'wrong', gate.adminToken.slice(0, -1), gate.token({ sub: 'operator:root' })]) {
      expect((await admin('POST', '/api/v1/switches', order, token)).status).toBe(401)
      expect((await admin('GET', '/api/v1/switches', undefined, token)).status).toBe(401)
      expect((await admin('GET', '/metrics', undefined, token)).status).toBe(401)
      expect((await admin('DELETE', '/api/v1/switches/x', { reason: 'x' }, token)).status).toBe(401)
    }
    const twice = { authorization: [`Bearer ${gate.adminToken}`, `Bearer ${gate.adminToken}`] }
    expect((await send(`${gate.admin}/api/v1/switches`, { method: 'GET', headers: twice })).status).toBe(401)
    expect((await send(`${gate.admin}/api/v1/switches?token=${gate.adminToken}`, { method: 'GET' })).status).toBe(401)
    expect((await admin('GET', '/api/v1/switches')).text).toBe('{"switches":[]}')
  })

  it('answers health to everybody', async () => {
    for (const path of ['/healthz', '/readyz'])
      expect((await send(`${gate.admin}${path}`, { method: 'GET' })).status).toBe(200)
  })

  it.each([
    [{ ...order, kind: 'everything' }, /kind/],
    [{ ...order, surprise: 1 }, /surprise/],
    [{ kind: 'tool', target: 'flag.set' }, /reason/],
    [{ ...order, ttlMs: 1 }, /at least one second/],
    [{ ...order, kind: 'session', target: 'agent:release' }, /session key/],
    [{ ...order, kind: 'limits' }, /what it sets/],
    [{ ...order, kind: 'consumer' }, /nothing obeys/],
    [{ ...order, target: 'Flag.Set' }, /no tool 'Flag.Set'; did you mean 'flag.set'/],
    [{ ...order, set: { rpm: 1 } }, /only a limits switch/],
  ])('refuses the order %j, saying what is wrong', async (body, why) => {
    const { status, text } = await admin('POST', '/api/v1/switches', body)
    expect([status, text]).toEqual([400, expect.stringMatching(why)])
  })

  it('refuses ambiguous JSON and a body of megabytes', async () => {
    const headers = { authorization: `Bearer ${gate.adminToken}` }
    const statusOf = async (body: string) => (await send(`${gate.admin}/api/v1/switches`, { headers, body })).status
    expect(await statusOf('{"kind":"tool","kind":"tenant","target":"acme","reason":"x"}')).toBe(400)
    expect(await statusOf('')).toBe(400)
    expect(await statusOf('x'.repeat(100_000))).toBe(413)
  })

  it('knows what it does not know', async () => {
    expect((await release('no-such-switch')).status).toBe(404)
    expect((await admin('GET', '/api/v1/nothing')).status).toBe(404)
    expect((await admin('GET', '/api/v1/switches/%zz')).status).toBeLessThan(500)
  })
})

describe('the switch command', () => {
  it('gives its orders to the gateway that runs', async () => {
    const where = ['--data', data, '--admin', gate.admin]
    const as: Caller = { sub: 'agent:cli' }
    const engaged = await ran('switch', 'engage', 'tool', 'flag.set', '--reason', 'by hand', ...where, '--json')
    expect(engaged).toMatchObject({ code: 0, stderr: '' })
    const { id } = JSON.parse(engaged.stdout) as { id: string }
    expect((await write(as)).ended).toBe('quarantined')
    const [listed, released] = [
      await ran('switch', 'list', ...where),
      await ran('switch', 'release', id, '--reason', 'done', ...where),
    ]
    expect(listed.stdout).toMatch(/tool flag\.set, \d+ s left: by hand/)
    expect(released).toMatchObject({ code: 0, stdout: `Released ${id}.\n` })
    expect((await write(as)).ended).toBe('ok')
  })
})
