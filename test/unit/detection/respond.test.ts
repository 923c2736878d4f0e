import { describe, expect, it } from 'vitest'
import { Command } from '../../../src/control/command.ts'
import { OrderRequest } from '../../../src/control/order.ts'
import type { Alert, Response } from '../../../src/detection/alert.ts'
import { openRules } from '../../../src/detection/check.ts'
import { detector } from '../../../src/detection/fold.ts'
import { commandFor, switchFor } from '../../../src/detection/order.ts'
import { actions, type Mode } from '../../../src/detection/reaction.ts'
import type { JsonObject } from '../../../src/ports/json.ts'
import { noonMs, stream } from '../../detections/events.ts'

/** A rule that fires on every deep plan, with the response under test. */
function ruleWith(response: string, suppress = '') {
  const { set, problems } = openRules([
    {
      file: 'rules.yml',
      text: `title: Deep plan
id: 0d6c6a38-52ab-4c3e-a3f1-3d2f4a5b6c31
name: deep_plan
version: 3
status: test
logsource: { product: sluicegate, category: mcp_tool_invoke }
detection: { deep: { plan.depth|gt: 12 }, condition: deep }
level: medium
${suppress}
response:
  - ${response}
tests:
  - { name: deep, events: [{ plan.depth: 13 }], expect: { alerts: 1 } }
  - { name: flat, events: [{ plan.depth: 12 }], expect: { alerts: 0 } }
`,
    },
  ])
  if (!set) throw new Error(problems.map(({ message }) => message).join(' '))
  return set
}

const enforced = (more = '') =>
  `{ action: kill_session, target: session.id, mode: enforce, ttl: 1h, undo: auto, limits: { per_tenant: 3/1h, global: 5/1h } ${more}}`

interface Setting {
  readonly stage?: Mode
  readonly lists?: Record<string, string[]>
}

function fires(response: string, { stage = 'enforce', lists = {} }: Setting = {}) {
  const fold = detector({ rules: ruleWith(response), stages: { default: 'off', rules: { deep_plan: stage } }, lists })
  const event = stream()
  return (fields: JsonObject, atMs = noonMs) =>
    fold.step(event('mcp_tool_invoke', atMs, { 'tenant.id': 't1', 'plan.depth': 13, ...fields }))[0]
}

const modeOf = (found: ReturnType<ReturnType<typeof fires>>) => found?.responses.map(({ mode }) => mode)

describe('a response', () => {
  it.each<[Mode, string[] | undefined]>([
    ['off', undefined],
    ['shadow', ['shadow']],
    ['ask', ['ask']],
    ['enforce', ['enforce']],
  ])('in stage %s: %j', (stage, modes) => {
    expect(modeOf(fires(enforced(), { stage })({ 'session.id': 's1' }))).toEqual(modes)
  })

  it('never goes beyond the mode of its rule', () => {
    const shadow = '{ action: kill_session, target: session.id, mode: shadow }'
    expect(modeOf(fires(shadow)({ 'session.id': 's1' }))).toEqual(['shadow'])
  })

  it('is not sent when its target is missing, and says so', () => {
    const found = fires(enforced())({})
    expect([found?.responses, found?.skipped]).toEqual([
      [],
      [{ action: 'kill_session', why: 'the event has no session.id' }],
    ])
  })

  it('falls to a question at its limit, per tenant and in all', () => {
    const fire = fires(enforced())
    const modes = (tenant: string, session: string) => modeOf(fire({ 'tenant.id': tenant, 'session.id': session }))
    expect(['a', 'b', 'c', 'd'].map((session) => modes('t1', session)?.[0])).toEqual([
      'enforce',
      'enforce',
      'enforce',
      'ask',
    ])
    expect(['e', 'f', 'g'].map((session) => modes('t2', session)?.[0])).toEqual(['enforce', 'enforce', 'ask'])
  })

  it('may be enforced again once the period of its limit is over', () => {
    const fire = fires(enforced())
    for (const session of ['a', 'b', 'c']) fire({ 'session.id': session })
    expect(modeOf(fire({ 'session.id': 'd' }, noonMs + 3_599_999))).toEqual(['ask'])
    expect(modeOf(fire({ 'session.id': 'e' }, noonMs + 3_600_000))).toEqual(['enforce'])
  })

  it('kills no more than its limits, however many alerts are forged', () => {
    const fire = fires(enforced())
    const found = Array.from({ length: 1_000 }, (_, index) =>
      fire({ 'tenant.id': `t${index}`, 'session.id': `s${index}` }, noonMs + index),
    )
    expect(found.flatMap(modeOf).filter((mode) => mode === 'enforce')).toHaveLength(5)
  })

  it('remembers over a restart what it has spent', () => {
    const rules = ruleWith(enforced())
    const event = stream()
    const stages = { default: 'enforce', rules: {} } as const
    const deep = (session: string) =>
      event('mcp_tool_invoke', noonMs, { 'tenant.id': 't1', 'session.id': session, 'plan.depth': 13 })
    const [before, after] = [detector({ rules, stages }), detector({ rules, stages })]
    for (const session of ['a', 'b', 'c']) before.step(deep(session))
    after.restore(before.snapshot())
    expect(modeOf(after.step(deep('d'))[0])).toEqual(['ask'])
  })

  it('goes on cooling down, and counting towards its second step, over a restart', () => {
    const more = ', cooldown: 10m, escalate: { after: 2, within: 1h, to: require_approval, mode: shadow }'
    const rules = ruleWith(enforced(more).replace('target: session.id', 'target: tenant.id'))
    const event = stream()
    const stages = { default: 'enforce', rules: {} } as const
    const deep = (atMs: number) =>
      event('mcp_tool_invoke', atMs, { 'tenant.id': 't1', 'session.id': 's', 'plan.depth': 13 })
    const [before, after] = [detector({ rules, stages }), detector({ rules, stages })]
    expect(modeOf(before.step(deep(noonMs))[0])).toEqual(['enforce'])
    after.restore(before.snapshot())
    const found = after.step(deep(noonMs + 1_000))[0]
    expect([found?.responses.map(({ action }) => action), found?.skipped.map(({ action }) => action)]).toEqual([
      ['require_approval'],
      ['kill_session'],
    ])
  })

  it('spends none of its limits in shadow', () => {
    const rules = ruleWith(enforced())
    const event = stream()
    const shadow = detector({ rules, stages: { default: 'shadow', rules: {} } })
    for (let index = 0; index < 50; index++)
      shadow.step(event('mcp_tool_invoke', noonMs, { 'tenant.id': 't1', 'session.id': `s${index}`, 'plan.depth': 13 }))
    const live = detector({ rules, stages: { default: 'enforce', rules: {} } })
    live.restore(shadow.snapshot())
    expect(
      modeOf(
        live.step(event('mcp_tool_invoke', noonMs, { 'tenant.id': 't1', 'session.id': 's', 'plan.depth': 13 }))[0],
      ),
    ).toEqual(['enforce'])
  })

  it('leaves alone what stands on a never list, by name or by list', () => {
    const lists = { core_vendors: ['S2'] }
    const fire = fires(enforced(", never: [s1, '%core_vendors%'] "), { lists })
    expect(fire({ 'session.id': 's1' })?.skipped).toEqual([{ action: 'kill_session', why: 'never done to s1' }])
    expect(fire({ 'session.id': 's2' })?.skipped).toEqual([{ action: 'kill_session', why: 'never done to s2' }])
    expect(fire({ 'session.id': 's3' })?.skipped).toEqual([])
  })

  it('cools down per target', () => {
    const fire = fires(enforced(', cooldown: 10m '))
    expect(modeOf(fire({ 'session.id': 's1' }))).toEqual(['enforce'])
    expect(modeOf(fire({ 'session.id': 's1' }, noonMs + 599_999))).toEqual([])
    expect(modeOf(fire({ 'session.id': 's2' }, noonMs + 599_999))).toEqual(['enforce'])
    expect(modeOf(fire({ 'session.id': 's1' }, noonMs + 600_000))).toEqual(['enforce'])
  })

  it('holds at most its share of the active sessions, and always one', () => {
    const share =
      '{ action: kill_session, target: session.id, mode: enforce, ttl: 1h, undo: auto, limits: { global: 100/1h, max_share_of_active_sessions: 0.5 } }'
    const fire = fires(share)
    expect(modeOf(fire({ 'session.id': 'a' }))).toEqual(['enforce'])
    expect(modeOf(fire({ 'session.id': 'b' }))).toEqual(['ask'])
    fire({ 'session.id': 'c', 'plan.depth': 1 })
    fire({ 'session.id': 'd', 'plan.depth': 1 })
    expect(modeOf(fire({ 'session.id': 'b' }))).toEqual(['enforce'])
  })

  it('holds only when its own expression does', () => {
    const fire = fires(enforced(", when: 'call.retry > 2' "))
    expect(modeOf(fire({ 'session.id': 's1' }))).toEqual([])
    expect(modeOf(fire({ 'session.id': 's1', 'call.retry': 3 }))).toEqual(['enforce'])
  })
})

const alert = fires(enforced())({
  'session.id': '0123456789ab-s0123456789ab',
  'actor.id': 'agent:x',
  'tool.name': 'flag.set',
})!.alert

describe('an alert', () => {
  it('names rule, version, rule set and evidence', () => {
    expect(alert).toMatchObject({
      rule: 'deep_plan',
      ruleVersion: 3,
      severity: 'medium',
      tenant: 't1',
      actor: 'agent:x',
      tools: ['flag.set'],
      summary: 'Deep plan: agent:x, flag.set',
    })
    expect(alert.why).toBe('plan.depth 13 (> 12).')
    expect(alert.evidence).toEqual([{ stream: 'gateway-a', seq: 1, leaf: 'leaf-gateway-a-1' }])
    expect(alert.ruleSetDigest).toMatch(/^[0-9a-f]{64}$/)
  })

  it('keeps its summary short and printable', () => {
    const { summary } = fires(enforced())({ 'actor.id': `agent:\u001b[2J${'x'.repeat(300)}` })!.alert
    expect(summary).toMatch(/^[\x20-\x7e]{120}$/)
  })
})

describe('commandFor', () => {
  const response: Response = {
    action: 'kill_session',
    target: 'session.id',
    targetValue: alert.session,
    mode: 'enforce',
    ttlMs: 3_600_000,
  }

  it('gives an order that the command log takes', () => {
    const order = commandFor(response, alert)
    expect(Command.safeParse({ ...order, seq: 1 }).error).toBeUndefined()
    expect(order).toMatchObject({
      kind: 'session',
      target: alert.session,
      tenant: 't1',
      alert: alert.id,
      issuedBy: { kind: 'detector', rule: 'deep_plan', version: 3 },
    })
  })

  it('gives one response one id', () => {
    const id = (changes: Partial<Response>, other: Partial<Alert> = {}) =>
      commandFor({ ...response, ...changes }, { ...alert, ...other }).id
    expect(id({})).toBe(id({}))
    expect(
      new Set([id({}), id({ targetValue: 'other' }), id({ action: 'require_approval' }), id({}, { id: 'other' })]).size,
    ).toBe(4)
  })

  it('knows a switch for every action, with targets the switches accept', () => {
    expect(Object.keys(switchFor).sort()).toEqual([...actions].sort())
    const grant = commandFor({ ...response, action: 'revoke_grant', targetValue: 'agent:x/flags.write:prod' }, alert)
    for (const { kind, target, reason } of [commandFor(response, alert), grant])
      expect(OrderRequest.safeParse({ kind, target, reason }).error).toBeUndefined()
  })
})
