import { describe, expect, it } from 'vitest'
import type { HaltQuery } from '../../../src/call/halt.ts'
import type { Engage } from '../../../src/control/command.ts'
import { switches, switchesMax } from '../../../src/control/switches.ts'

const session = '0123456789ab-s0123456789ab'
const query: HaltQuery = {
  tenant: 'acme',
  session,
  actor: 'agent:copilot',
  tool: 'flag.set',
  effect: 'write',
  scopes: ['flags.write:staging'],
  jti: 'j1',
  domain: 'files.vendor.example',
}

function movingClock() {
  const time = { wallMs: 1_756_700_000_000, monoMs: 10_000 }
  return { time, clock: { nowMs: () => time.wallMs, monoNs: () => BigInt(time.monoMs) * 1_000_000n } }
}

function engage(more: Partial<Engage> = {}): Engage {
  return {
    action: 'engage',
    id: `sw-${more.seq ?? 0}`,
    seq: 0,
    kind: 'session',
    target: session,
    reason: 'test',
    ttlMs: 60_000,
    atMs: 1_756_700_000_000,
    issuedBy: { kind: 'operator', name: 'sre' },
    ...more,
  }
}

const release = (id: string, seq: number) =>
  ({ action: 'release', id, seq, reason: 'over', atMs: 0, issuedBy: { kind: 'operator', name: 'sre' } }) as const

function table() {
  const { time, clock } = movingClock()
  return { time, table: switches({ clock }) }
}

describe('an engaged switch', () => {
  it.each([
    [{ kind: 'session', target: session }, 'session_killed'],
    [{ kind: 'tool', target: 'flag.set' }, 'quarantined'],
    [{ kind: 'read-only', target: 'all' }, 'read_only'],
    [{ kind: 'read-only', target: 'acme' }, 'read_only'],
    [{ kind: 'tenant', target: 'acme' }, 'tenant_halted'],
    [{ kind: 'egress', target: 'vendor.example' }, 'egress_denied'],
    [{ kind: 'egress', target: 'files.vendor.example' }, 'egress_denied'],
    [{ kind: 'token', target: 'j1' }, 'unauthenticated'],
    [{ kind: 'grant', target: 'flags.write:staging' }, 'scope_missing'],
    [{ kind: 'grant', target: 'agent:copilot/flags.write:staging' }, 'scope_missing'],
    [{ kind: 'catalog', target: 'all' }, 'quarantined'],
    [{ kind: 'approval', target: 'acme' }, 'approval_required'],
  ] as const)('%j ends a call it concerns with %s', (order, code) => {
    const { table: now } = table()
    expect(now.forbids(query)).toBeUndefined()
    expect(now.apply(engage(order))).toBe('applied')
    expect(now.forbids(query)).toMatchObject({ switchId: 'sw-0', kind: order.kind, code, retryAfterMs: 60_000 })
  })

  it.each([
    { kind: 'session', target: '0123456789ab-sffffffffffff' },
    { kind: 'tool', target: 'orders.export' },
    { kind: 'read-only', target: 'globex' },
    { kind: 'tenant', target: 'globex' },
    { kind: 'egress', target: 'ndor.example' },
    { kind: 'egress', target: 'other.example' },
    { kind: 'token', target: 'j2' },
    { kind: 'grant', target: 'flags.write:prod' },
    { kind: 'grant', target: 'agent:other/flags.write:staging' },
    { kind: 'tool', target: 'flag.set', tenant: 'globex' },
    { kind: 'limits', target: 'acme', set: { rpm: 1 } },
    { kind: 'consumer', target: 'acme' },
  ] as const)('%j leaves other calls alone', (order) => {
    const { table: now } = table()
    now.apply(engage(order))
    expect(now.forbids(query)).toBeUndefined()
  })

  it('stops a caller under every certificate and key it may choose, and without one, when it stops one', () => {
    const { table: now } = table()
    now.apply(engage({ target: '0123456789ab-caaaaaaaaaaaa' }))
    expect(now.forbids({ ...query, session: '0123456789ab-cbbbbbbbbbbbb' })?.code).toBe('session_killed')
    expect(now.forbids({ ...query, session: '0123456789ab-n000000000000' })?.code).toBe('session_killed')
    expect(now.forbids({ ...query, session: '0123456789ab-s000000000000' })).toBeUndefined()
    expect(now.forbids({ ...query, session: 'ffffffffffff-mbbbbbbbbbbbb' })).toBeUndefined()
  })

  it('in read-only mode lets reads pass', () => {
    const { table: now } = table()
    now.apply(engage({ kind: 'read-only', target: 'all' }))
    expect(now.forbids({ ...query, effect: 'read' })).toBeUndefined()
    for (const effect of ['write', 'egress', 'destructive'] as const)
      expect(now.forbids({ ...query, effect })?.code).toBe('read_only')
  })

  it('tells the agent nothing of who ordered it, or why', () => {
    const { table: now } = table()
    now.apply(engage({ reason: 'rule-7 fired', approver: 'oncall-sre' }))
    expect(now.forbids(query)?.message).not.toMatch(/rule-7|oncall|sre/)
  })
})

describe('the end of a switch', () => {
  it.each([3_600_000, 300_000, -3_600_000])(
    'is counted: a wall clock set by %i ms ends nothing early and keeps nothing',
    (step) => {
      const { time, table: now } = table()
      now.apply(engage())
      time.wallMs += step
      expect(now.forbids(query)?.retryAfterMs).toBe(60_000)
      time.monoMs += 59_999
      expect(now.forbids(query)).toBeDefined()
      time.monoMs += 1
      expect(now.forbids(query)).toBeUndefined()
    },
  )

  it('comes by the wall clock alone after a restart', () => {
    const { time, table: now } = table()
    now.apply(engage(), 'replayed')
    time.wallMs += 59_999
    expect(now.forbids(query)).toBeDefined()
    time.wallMs += 1
    expect(now.forbids(query)).toBeUndefined()
  })

  it('comes with a release, and only with a newer one', () => {
    const { table: now } = table()
    now.apply(engage({ seq: 5 }))
    expect(now.apply(release('sw-5', 5))).toBe('stale')
    expect(now.apply(release('sw-5', 4))).toBe('stale')
    expect(now.forbids(query)).toBeDefined()
    expect(now.apply(release('sw-5', 6))).toBe('applied')
    expect(now.forbids(query)).toBeUndefined()
    expect(now.apply(release('sw-5', 7))).toBe('unknown')
  })

  it('is not undone by replaying the order', () => {
    const { table: now } = table()
    now.apply(engage({ seq: 1 }))
    now.apply(release('sw-1', 2))
    expect(now.apply(engage({ seq: 1 }))).toBe('stale')
    expect(now.forbids(query)).toBeUndefined()
  })

  it('is told until it is released, so that it can be written down', () => {
    const { time, table: now } = table()
    now.apply(engage())
    expect(now.overdue()).toEqual([])
    time.wallMs += 60_000
    time.monoMs += 60_000
    expect(now.overdue().map(({ id }) => id)).toEqual(['sw-0'])
    now.apply(release('sw-0', 1))
    expect(now.overdue()).toEqual([])
  })
})

describe('the table of switches', () => {
  it('lists what is engaged, with the time that is left', () => {
    const { time, table: now } = table()
    now.apply(engage({ seq: 0 }))
    now.apply(engage({ seq: 1, kind: 'tool', target: 'flag.set', ttlMs: 10_000 }))
    time.wallMs += 20_000
    time.monoMs += 20_000
    expect(now.list().map(({ id, remainingMs }) => [id, remainingMs])).toEqual([['sw-0', 40_000]])
    expect(now.seq()).toBe(1)
  })

  it('takes the orders of a long life back, and counts those whose time is not up', () => {
    const { table: now } = table()
    for (let seq = 0; seq <= switchesMax; seq++) now.apply(engage({ seq, id: `old-${seq}`, atMs: 1 }), 'replayed')
    now.apply(engage({ seq: switchesMax + 1 }), 'replayed')
    expect([now.count(), now.overdue().length]).toEqual([1, switchesMax + 1])
    expect(now.forbids(query)).toMatchObject({ code: 'session_killed' })
  })

  it('gives the strictest ceilings of principal, tenant and tool', () => {
    const { table: now } = table()
    now.apply(engage({ seq: 0, kind: 'limits', target: 'acme', set: { rpm: 30, concurrency: 2 } }))
    now.apply(engage({ seq: 1, kind: 'limits', target: 'agent:copilot', set: { rpm: 10 } }))
    now.apply(engage({ seq: 2, kind: 'limits', target: 'flag.set', tenant: 'globex', set: { rpm: 1 } }))
    expect(now.limitsFor(query)).toEqual({ rpm: 10, concurrency: 2 })
    expect(now.limitsFor({ ...query, tenant: 'initech', actor: 'agent:x' })).toEqual({})
  })

  it('takes revoked rights from a caller, and no others', () => {
    const { table: now } = table()
    now.apply(engage({ seq: 0, kind: 'grant', target: 'flags.write:prod' }))
    now.apply(engage({ seq: 1, kind: 'grant', target: 'agent:copilot/crm.write' }))
    now.apply(engage({ seq: 2, kind: 'grant', target: 'orders.read', tenant: 'globex' }))
    const rights = ['orders.read', 'flags.write:prod', 'crm.write']
    expect(now.rightsOf({ tenant: 'acme', actor: 'agent:copilot', rights })).toEqual(['orders.read'])
    expect(now.rightsOf({ tenant: 'acme', actor: 'agent:x', rights })).toEqual(['orders.read', 'crm.write'])
    expect(now.rightsOf({ tenant: 'globex', actor: 'agent:x', rights })).toEqual(['crm.write'])
  })
})
