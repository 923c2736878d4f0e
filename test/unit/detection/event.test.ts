import { describe, expect, it } from 'vitest'
import { eventsOf } from '../../../src/detection/event.ts'
import { bothSpellings } from '../../../src/detection/scope-spelling.ts'
import { vocabulary } from '../../../src/detection/vocabulary.ts'
import type { EvidenceEntry, EvidenceRecord } from '../../../src/evidence/record.ts'

const digest = { digest: 'd'.repeat(64), alg: 'hmac-sha256', keyId: '2026-11/acme', sizeBytes: 42 } as const

const call: EvidenceEntry = {
  type: 'call.outcome',
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  session: '0123456789ab-s0123456789ab',
  req: 'call-1',
  tenant: 'acme',
  actor: { id: 'agent:demo', type: 'agent', jti: 'jti-1' },
  agentPlan: { id: 'p1', depth: 2, retry: 1 },
  tool: { name: 'web.fetchSafe', effect: 'egress' },
  grants: [{ scope: 'flags.write:staging' }],
  decision: { effect: 'allow', rules: ['r1'], bundleDigest: '', mode: 'enforce' },
  limits: { planDepth: 5, retry: 0 },
  args: digest,
  result: { ...digest, status: 'ok', rows: 3 },
  egress: { domain: 'api.partner.example', sizeBytes: 900 },
  ext: {
    argsHash: 'a'.repeat(16),
    argsSimhash: 'b'.repeat(16),
    resultHash: 'c'.repeat(16),
    ttlSec: 600,
    registrableDomain: 'partner.example',
    resultMarkers: 2,
  },
}

function record(entry: Partial<EvidenceEntry>): EvidenceRecord {
  const place = {
    v: 1,
    stream: 's',
    seq: 7,
    prev: '0'.repeat(64),
    tsMs: 1_000,
    wallMs: 1_000,
    monoNs: '1',
    boot: '0'.repeat(32),
  } as const
  return { ...call, ...entry, ...place }
}

const kinds = (entry: Partial<EvidenceEntry>) => eventsOf(record(entry), 'leaf').map(({ kind }) => kind)

describe('eventsOf', () => {
  it('splits a read into its decision, its result and what left', () => {
    const events = eventsOf(record({}), 'leaf')
    expect(events.map(({ kind, origin }) => [kind, origin.part])).toEqual([
      ['mcp_tool_invoke', 0],
      ['mcp_tool_result', 1],
      ['mcp_egress', 2],
    ])
    expect(events[0]?.origin).toEqual({ stream: 's', seq: 7, leaf: 'leaf', part: 0 })
  })

  it('takes a decision from the intent, and not again from its outcome', () => {
    expect(kinds({ type: 'call.intent' })).toEqual(['mcp_tool_invoke'])
    expect(kinds({ ext: { ...call.ext, intentSeq: 6 } })).toEqual(['mcp_tool_result', 'mcp_egress'])
  })

  it('says that nothing left when the call was refused', () => {
    const decision = {
      effect: 'deny',
      rules: [],
      bundleDigest: '',
      mode: 'enforce',
      reasonCode: 'egress_denied',
    } as const
    expect(kinds({ type: 'call.decision', decision })).toEqual(['mcp_tool_invoke', 'mcp_tool_result'])
  })

  it('ends a refusal with its reason code as the result', () => {
    const decision = {
      effect: 'deny',
      rules: [],
      bundleDigest: '',
      mode: 'enforce',
      reasonCode: 'ticket_required',
    } as const
    const [, result] = eventsOf(record({ type: 'call.decision', decision }), 'leaf')
    expect(result?.fields).toMatchObject({
      'result.hash': 'ticket_required',
      'result.status': 'refused',
      'policy.decision': 'deny',
    })
  })

  it('flattens the call, with the larger of claim and count', () => {
    const [invoke, result] = eventsOf(record({}), 'leaf')
    expect(invoke?.fields).toMatchObject({
      'tenant.id': 'acme',
      'session.id': '0123456789ab-s0123456789ab',
      'actor.id': 'agent:demo',
      'actor.type': 'agent',
      'token.jti': 'jti-1',
      ttl_sec: 600,
      'tool.name': 'web.fetchSafe',
      'tool.effect': 'egress',
      'plan.depth': 5,
      'call.retry': 1,
      'args.hash': 'a'.repeat(16),
      'egress.registrable_domain': 'partner.example',
      'egress.bytes_out': 900,
      'taint.sink.tainted': false,
      'scope.grants': ['flags.write:staging', 'write:flags:staging'],
    })
    expect(result?.fields).toMatchObject({ 'result.hash': 'c'.repeat(16), 'result.markers': 2, 'result.rows': 3 })
  })

  it('tells where a tainted argument came from', () => {
    const taint = { tainted: true, source: 'orders.export', sourceMarkers: 3, valueHash: 'v'.repeat(16) }
    const [invoke] = eventsOf(record({ ext: { ...call.ext, taint } }), 'leaf')
    expect(invoke?.fields).toMatchObject({
      'taint.sink.tainted': true,
      'taint.sink.source': 'orders.export',
      'taint.sink.source_markers': 3,
      'taint.sink.value_hash': 'v'.repeat(16),
    })
    expect(invoke?.fields).not.toHaveProperty('taint.sink.in_user_intent')
  })

  it('lets an agent invent no tool names', () => {
    const invented = (name: string) => eventsOf(record({ tool: { name } }), 'leaf')[0]?.fields['tool.name']
    expect([invented('_OTHER:a'), invented('_OTHER:b')]).toEqual(['_OTHER', '_OTHER'])
  })

  it('judges each scope of a grant on its own', () => {
    const grants = [{ scope: 'orders.read' }, { scope: 'flags.write:prod' }]
    const ext = {
      change: 'added',
      subject: 'agent:x',
      issuedBy: 'gateway',
      outsideAllow: ['orders.read'],
      opensProdWrite: ['flags.write:prod'],
      toolsCount: { 'orders.read': 1 },
    }
    const events = eventsOf(record({ type: 'grant.issue', grants, ext }), 'leaf')
    expect(
      events.map(({ fields }) => [
        fields['grant.id'],
        fields['grant.outside_allow'],
        fields['grant.opens_prod_write'],
        fields['grant.tools_count'],
        fields['grant.issued_by'],
      ]),
    ).toEqual([
      ['agent:x/orders.read', true, false, 1, 'gateway'],
      ['agent:x/flags.write:prod', false, true, undefined, 'gateway'],
    ])
  })

  it('tells tickets, switches and the health of streams', () => {
    const ticket = eventsOf(
      record({
        type: 'ticket.approved',
        ext: { ticket: 'CHG-1', state: 'approved', subject: 'agent:x', tool: 'flag.set' },
      }),
      'leaf',
    )
    expect(ticket[0]).toMatchObject({
      kind: 'change_ticket',
      fields: { 'ticket.ticket': 'CHG-1', 'ticket.state': 'approved', 'ticket.subject': 'agent:x' },
    })
    const kill = eventsOf(
      record({
        type: 'kill.apply',
        ext: { id: 'k1', kind: 'session', target: 's', issuedBy: { kind: 'detector' }, alert: 'al' },
      }),
      'leaf',
    )
    expect(kill[0]).toMatchObject({
      kind: 'switch_change',
      fields: {
        'switch.change': 'engaged',
        'switch.kind': 'session',
        'switch.issued_by': 'detector',
        'switch.alert': 'al',
      },
    })
    expect(kinds({ type: 'stream.gap', ext: {} })).toEqual(['stream_health'])
    expect(kinds({ type: 'policy.load', ext: {} })).toEqual([])
  })

  it('tells of an elevation when it changes what somebody may do, and not before', () => {
    const grants = [{ scope: 'flags.write:prod', jit: true, ticket: 'CHG-1' }]
    const actor = { id: 'carla', type: 'operator' } as const
    const ext = { grantId: 'gr-1', subject: 'agent:x', kind: 'elevation' }
    const told = (type: 'grant.request' | 'grant.approve' | 'grant.expire', more: object) =>
      eventsOf(record({ type, grants, actor, ext: { ...ext, ...more } }), 'leaf').map(({ fields }) => fields)
    expect(told('grant.request', {})).toEqual([])
    expect(told('grant.expire', {})).toEqual([])
    const [added] = told('grant.approve', { change: 'added', issuedBy: 'operator' })
    expect(added).toMatchObject({
      'grant.id': 'agent:x/flags.write:prod',
      'grant.change': 'added',
      'grant.issued_by': 'operator',
      'grant.elevation': true,
      'grant.ticket': 'CHG-1',
    })
    expect(told('grant.expire', { change: 'removed', issuedBy: 'gateway' })).toMatchObject([
      { 'grant.change': 'removed' },
    ])
  })

  it('uses no name that rules may not use', () => {
    const grant = {
      type: 'grant.issue',
      ext: { change: 'added', subject: 'x', issuedBy: 'issuer', toolsCount: {} },
    } as const
    const all = [
      {},
      { type: 'call.intent' } as const,
      grant,
      { type: 'kill.apply', ext: { id: 'k' } } as const,
      { type: 'stream.gap', ext: {} } as const,
    ]
    const strangers = all
      .flatMap((entry) => eventsOf(record(entry), 'leaf'))
      .flatMap(({ kind, fields }) => Object.keys(fields).filter((field) => !vocabulary[kind].includes(field)))
    expect(strangers).toEqual([])
  })
})

describe('bothSpellings', () => {
  it.each([
    ['flags.write:staging', 'write:flags:staging'],
    ['orders.read', 'read:orders'],
    ['write:crm', 'crm.write'],
    ['write:flags:prod', 'flags.write:prod'],
  ])('gives %s as %s too', (scope, other) => {
    expect(bothSpellings([scope])).toEqual([scope, other])
  })

  it('leaves what has no verb alone', () => {
    expect(bothSpellings(['web', '*', 'crm:*', '', 'a.b.c'])).toEqual(['web', '*', 'crm:*', '', 'a.b.c'])
  })
})
