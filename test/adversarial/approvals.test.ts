import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GrantRequest } from '../../src/control/request.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import { openTestGateway, type Caller, type OpenOptions, type TestGateway } from '../support/gateway.ts'

const askFirst = {
  rule: 'ask-first',
  when: { tool: ['flag.set', 'orders.export', 'crm.bulk_update'] },
  decision: 'require_approval',
  reason: 'a person must look at this one',
}
const limits = { rpm: 100_000, burst: 10_000, concurrency: 1_000 }
const roomy = [{ principal: 'agent:release', limits, stop_rules: { max_retries: 10_000 } }]
const over = { policies: ['builtin', askFirst], principals: roomy }
const calls = Number(process.env['SLUICEGATE_APPROVAL_CALLS'] ?? 200)

const flag = (more: JsonObject = {}): JsonObject => ({ name: 'checkout', env: 'staging', rolloutPct: 5, ...more })
const write = (gate: TestGateway, more: JsonObject = {}, as?: Caller) =>
  gate.call('flag.set', { ...flag(), idemKey: randomUUID(), ...more }, as && { as })
const waiting = async (gate: TestGateway): Promise<readonly GrantRequest[]> =>
  (await gate.started.gateway.grants.list()).filter(({ state }) => state === 'pending')
const approve = async (gate: TestGateway): Promise<string> => {
  const [{ id } = { id: '' }] = await waiting(gate)
  await gate.started.gateway.grants.approve(id, { by: 'carla' })
  return id
}
const effects = (gate: TestGateway) => gate.requests().filter(({ method }) => method === 'PUT').length

async function opened(options: OpenOptions = {}) {
  return openTestGateway({ ...options, over: { ...over, ...options.over } })
}

describe('an approval of an exact call', () => {
  it(`is spent once under ${calls} identical calls at once`, async () => {
    await using gate = await opened()
    const first = await write(gate)
    expect(first.ended).toBe('approval_required')
    expect(first.text).toMatch(/^DENY approval_required: Denied: a person must look at this one\. Request gr-\w+ waits/)
    const id = await approve(gate)
    const ended = await Promise.all(Array.from({ length: calls }, () => write(gate)))
    expect(ended.filter((call) => call.ended === 'ok')).toHaveLength(1)
    expect(ended.filter((call) => call.ended === 'approval_required')).toHaveLength(calls - 1)
    expect(effects(gate)).toBe(1)
    expect(await waiting(gate)).toHaveLength(1)
    const records = await gate.records()
    expect(records.filter(({ type }) => type === 'grant.spend')).toHaveLength(1)
    const used = records.filter(({ ext }) => ext?.['approval'] === id).map(({ type }) => type)
    expect(used).toEqual(['call.intent', 'call.outcome'])
  })

  it('is recorded as spent before the intent of the call it lets pass', async () => {
    await using gate = await opened()
    await write(gate)
    await approve(gate)
    await write(gate)
    const types = (await gate.records()).map(({ type }) => type)
    expect(types.indexOf('grant.spend')).toBeLessThan(types.indexOf('call.intent'))
    expect(types.indexOf('grant.approve')).toBeLessThan(types.indexOf('grant.spend'))
    const [denied, ...steps] = (await gate.records()).filter(
      ({ type }) => type === 'call.decision' || type.startsWith('grant.s'),
    )
    expect(steps).toMatchObject([{ type: 'grant.spend', traceId: denied?.traceId, session: denied?.session }])
  })

  it.each<[string, JsonObject, Caller]>([
    ['another argument', { rolloutPct: 6 }, {}],
    ['an argument added', { ticket: 'CHG-1' }, {}],
    ['another actor', {}, { sub: 'agent:intern' }],
    ['another tenant', {}, { tenant: 'initech' }],
    ['another region', {}, { region: 'EU' }],
  ])('does not count for %s', async (_what, more, as) => {
    await using gate = await opened()
    await write(gate)
    await approve(gate)
    expect((await write(gate, more, as)).ended).toBe('approval_required')
    expect(effects(gate)).toBe(0)
    expect((await write(gate)).ended).toBe('ok')
  })

  it('does not count under another policy, and survives a restart under the same', async () => {
    const data = mkdtempSync(join(tmpdir(), 'sluicegate-approvals-'))
    try {
      const first = await opened({ data })
      await write(first)
      await approve(first)
      await first.close()
      const stricter = { ...askFirst, reason: 'another sentence' }
      const other = await opened({ data, over: { policies: ['builtin', stricter] } })
      expect((await write(other)).ended).toBe('approval_required')
      await other.close()
      const same = await opened({ data })
      expect((await write(same)).ended).toBe('ok')
      expect((await write(same)).ended).toBe('approval_required')
      await same.close()
      const again = await opened({ data })
      expect((await write(again)).ended).toBe('approval_required')
      await again.close()
    } finally {
      rmSync(data, { recursive: true, force: true })
    }
  })

  it('that was denied, ran out or belongs to somebody else never lets a call pass', async () => {
    await using gate = await opened()
    await write(gate)
    const [{ id } = { id: '' }] = await waiting(gate)
    await gate.started.gateway.grants.deny(id, { by: 'carla' })
    const denied = await write(gate)
    expect(denied.ended).toBe('policy_denied')
    expect(denied.text).toContain(id)
    await write(gate, { rolloutPct: 7 })
    const [short] = await waiting(gate)
    await gate.started.gateway.grants.approve(short?.id ?? '', { by: 'carla', ttlMs: 1 })
    expect((await write(gate, { rolloutPct: 7 })).ended).toBe('approval_required')
    expect(effects(gate)).toBe(0)
  })

  it('is never given by the agent that asks, nor on whose behalf it asks', async () => {
    await using gate = await opened()
    await write(gate)
    const [{ id } = { id: '' }] = await waiting(gate)
    for (const by of ['agent:release', 'release', 'RELEASE'])
      await expect(gate.started.gateway.grants.approve(id, { by })).rejects.toThrow(/another person/)
    expect((await write(gate)).ended).toBe('approval_required')
  })

  it('is asked for once for one call, and by at most sixteen requests of one principal', async () => {
    await using gate = await opened()
    for (let n = 0; n < 3; n += 1) await write(gate)
    expect(await waiting(gate)).toHaveLength(1)
    const flood = await Promise.all(Array.from({ length: 30 }, (_, n) => write(gate, { rolloutPct: 10 + n })))
    expect(await waiting(gate)).toHaveLength(16)
    const refused = flood.filter(({ text }) => text.includes('too many requests of yours'))
    expect(refused).toHaveLength(15)
    expect(refused[0]?.ended).toBe('approval_required')
  })

  it('shows a person the real arguments, masked, and nothing the agent says of them', async () => {
    const policies = ['builtin', { ...askFirst, when: { tool: '*' } }]
    await using gate = await opened({
      over: { policies, egress: { allow: ['vendor.example'], hosts: { 'vendor.example': 9 } } },
    })
    const goal = 'harmless, please approve'
    const args = { url: 'http://vendor.example/in', body: `mail ana.lopez@private.example ${'x'.repeat(5_000)}` }
    const asked = await gate.call('web.fetchSafe', args, { plan: { goal } })
    expect(asked.text).toContain('approval_required')
    const [shown] = await waiting(gate)
    if (shown?.what.kind !== 'call') throw new Error('no request')
    expect(shown.what.args['url']).toBe(args.url)
    expect(shown.what.args['body']).toMatch(/^mail \*\*\*@\*\*\* x+… \(\d+ characters in all, SHA-256 [0-9a-f]{16}\)$/)
    expect(JSON.stringify(shown)).not.toContain(goal)
    expect(JSON.stringify(await gate.records())).not.toContain('ana.lopez')
  })

  it('is bound to what the service says the call will touch, not to what the agent says', async () => {
    await using gate = await opened()
    const bulk = { segment: 'trial', set: { status: 'active' }, count: 1, idemKey: randomUUID() }
    await gate.call('crm.bulk_update', bulk)
    const [shown] = await waiting(gate)
    if (shown?.what.kind !== 'call') throw new Error('no request')
    expect(Number(shown.what.args['count'])).toBeGreaterThan(1)
  })

  it('is needed for a read that a rule names, too', async () => {
    await using gate = await opened()
    const read = () => gate.call('orders.export', { from: '2025-09-01', to: '2025-09-01' })
    expect((await read()).ended).toBe('approval_required')
    await approve(gate)
    expect((await read()).ended).toBe('ok')
    expect((await read()).ended).toBe('approval_required')
  })

  it('is not spent by a call that was refused before, and a repeat of the call that passed needs no other', async () => {
    await using gate = await opened()
    const idemKey = randomUUID()
    await write(gate)
    await approve(gate)
    const { idemKey: _none, ...keyless } = { ...flag(), idemKey }
    expect((await gate.call('flag.set', keyless)).ended).toBe('idempotency_key_required')
    const passed = await write(gate, { idemKey })
    const repeated = await write(gate, { idemKey })
    expect([passed.ended, repeated.ended]).toEqual(['ok', 'ok'])
    expect(repeated.text).toMatch(/^OK \(idempotent\)/)
    expect(effects(gate)).toBe(1)
  })

  it('is waited for without being taken for a loop', async () => {
    await using gate = await opened()
    const as = { sid: 'patient' }
    for (let n = 0; n < 8; n += 1) expect((await write(gate, {}, as)).ended).toBe('approval_required')
    await approve(gate)
    expect((await write(gate, {}, as)).ended).toBe('ok')
  })

  it('changes nothing for a rule in shadow, which is recorded', async () => {
    await using gate = await opened({ over: { policies: ['builtin', { ...askFirst, mode: 'shadow' }] } })
    expect((await write(gate)).ended).toBe('ok')
    const outcome = (await gate.records()).find(({ type }) => type === 'call.outcome')
    expect(outcome?.decision).toMatchObject({ shadowEffect: 'require_approval', shadowRules: ['ask-first'] })
  })

  it('does not lift a deny', async () => {
    const no = { rule: 'never', when: { tool: 'flag.set' }, decision: 'deny', reason: 'never' }
    await using gate = await opened({ over: { policies: ['builtin', askFirst, no] } })
    expect((await write(gate)).ended).toBe('policy_denied')
    expect(await waiting(gate)).toEqual([])
  })
})

describe('the switch on approvals', () => {
  const engaged = (gate: TestGateway, target = 'all') =>
    gate.started.gateway.switches.engage(
      { kind: 'approval', target, reason: 'drill' },
      { kind: 'operator', name: 'dora' },
    )
  const plain = { policies: ['builtin'] }

  it('lets each call that changes something wait for a person, and lets it pass once', async () => {
    await using gate = await opened({ over: plain })
    await engaged(gate)
    expect((await write(gate)).ended).toBe('approval_required')
    expect((await gate.call('orders.export', { from: '2025-09-01', to: '2025-09-01' })).ended).toBe('ok')
    await approve(gate)
    expect((await write(gate)).ended).toBe('ok')
    expect((await write(gate)).ended).toBe('approval_required')
    expect(effects(gate)).toBe(1)
  })

  it('takes approvals that were given before it was pulled for nothing', async () => {
    await using gate = await opened()
    await write(gate)
    await approve(gate)
    await engaged(gate, 'acme')
    expect((await write(gate)).ended).toBe('approval_required')
    expect(effects(gate)).toBe(0)
  })

  it('stops a call whose approval was not asked by it, between its decision and its effect', async () => {
    await using gate = await opened()
    await write(gate)
    await approve(gate)
    const ending = write(gate)
    await engaged(gate)
    const { ended } = await ending
    expect(['approval_required', 'ok']).toContain(ended)
    expect(effects(gate)).toBe(ended === 'ok' ? 1 : 0)
  })

  it('never hides a switch that no approval lifts', async () => {
    await using gate = await opened({ over: plain })
    await engaged(gate)
    await write(gate)
    await approve(gate)
    const order = { kind: 'tool', target: 'flag.set', reason: 'drill' } as const
    await gate.started.gateway.switches.engage(order, { kind: 'operator', name: 'dora' })
    expect((await write(gate)).ended).toBe('quarantined')
  })

  it('stops elevations from being approved, and so does one that revokes their scope', async () => {
    await using gate = await opened({ over: plain })
    const { grants, switches } = gate.started.gateway
    const ask = {
      principal: 'agent:intern',
      tenant: 'acme',
      scopes: ['flags.write:prod'],
      reason: 'r',
      requestedBy: 'ana',
      ttlSeconds: 60,
    }
    const { id } = await grants.request(ask)
    const { id: first } = await engaged(gate, 'acme')
    await expect(grants.approve(id, { by: 'carla' })).rejects.toThrow(/approved by itself/)
    await switches.release(first, 'drill over', { kind: 'operator', name: 'dora' })
    const revoke = { kind: 'grant', target: 'flags.write:prod', reason: 'drill' } as const
    const { id: second } = await switches.engage(revoke, { kind: 'operator', name: 'dora' })
    await expect(grants.approve(id, { by: 'carla' })).rejects.toThrow(/has revoked flags.write:prod/)
    await switches.release(second, 'drill over', { kind: 'operator', name: 'dora' })
    await grants.approve(id, { by: 'carla' })
    const as = { sub: 'agent:intern', grants: [] }
    expect((await write(gate, { env: 'prod' }, as)).ended).toBe('ok')
    await switches.engage(revoke, { kind: 'operator', name: 'dora' })
    expect((await write(gate, { env: 'prod' }, as)).ended).toBe('scope_missing')
  })
})

describe('a detection in stage ask', () => {
  it('leads to a switch that a person approves, and is engaged in their name', async () => {
    const stages = { default: 'off', rules: { loop_arrest: 'ask' } }
    await using gate = await openTestGateway({ over: { detector: { stages } } })
    const read = () => gate.call('orders.export', { from: '2025-09-01', to: '2025-09-01' }, { as: { sid: 'looping' } })
    for (let n = 0; n < 5; n += 1) expect((await read()).ended).toBe('ok')
    await gate.started.gateway.detector.settled()
    const asked = await waiting(gate)
    expect(asked.map(({ what, requestedBy }) => [what.kind, requestedBy])).toEqual([['order', 'rule loop_arrest']])
    await approve(gate)
    expect((await read()).ended).toBe('session_killed')
    const [engaged] = gate.started.gateway.switches.list()
    expect(engaged).toMatchObject({ kind: 'session', issuedBy: { kind: 'operator', name: 'carla' } })
  })
})

describe('the tools a caller sees', () => {
  it('are those its credential and its live elevations open, and no others', async () => {
    await using gate = await openTestGateway()
    const { service, grants } = gate.started.gateway
    const credential = { kind: 'bearer', token: gate.token({ grants: ['orders.read'] }) } as const
    const identity = await service.identify({ credential, transport: 'http' })
    if (!identity.ok) throw new Error(identity.why)
    const seen = () => service.tools(identity.who).map(({ name }) => name)
    expect(seen()).toEqual(['orders.export'])
    const ask = { principal: 'agent:release', tenant: 'acme', reason: 'r', requestedBy: 'ana', ttlSeconds: 60 }
    const { id } = await grants.request({ ...ask, scopes: ['flags.write:prod'] })
    expect(seen()).toEqual(['orders.export'])
    await grants.approve(id, { by: 'carla' })
    expect(seen()).toEqual(['orders.export', 'flag.set'])
    await grants.deny(id, { by: 'carla' })
    expect(seen()).toEqual(['orders.export'])
  })

  it('and what is recorded of its calls say which rights are an elevation', async () => {
    await using gate = await openTestGateway()
    const { grants } = gate.started.gateway
    const ask = { principal: 'agent:release', tenant: 'acme', reason: 'r', requestedBy: 'ana', ttlSeconds: 60 }
    const { id } = await grants.request({ ...ask, scopes: ['flags.write:prod'] })
    await grants.approve(id, { by: 'carla' })
    await write(gate, { env: 'prod' }, { grants: ['orders.read'] })
    const intent = (await gate.records()).find(({ type }) => type === 'call.intent')
    expect(intent?.grants).toEqual([{ scope: 'orders.read' }, { scope: 'flags.write:prod', jit: true }])
  })
})
