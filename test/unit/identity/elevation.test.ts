import { describe, expect, it } from 'vitest'
import { directory } from '../../../src/identity/directory.ts'
import { ElevationAsk, elevations, rightsNow, scopesProblem } from '../../../src/identity/elevation.ts'
import { testClock } from '../../support/clock.ts'

const ask = {
  principal: 'agent:release',
  tenant: 'acme',
  scopes: ['flags.write:prod'],
  reason: 'hotfix-1234',
  requestedBy: 'ana',
}

describe('a request for an elevation', () => {
  it('lasts an hour unless it says otherwise', () => {
    expect(ElevationAsk.parse(ask)).toEqual({ ...ask, ttlSeconds: 3_600 })
  })

  it.each([
    { scopes: ['*'] },
    { scopes: ['flags.*'] },
    { scopes: ['flags.write:prod', 'orders.*'] },
    { scopes: [] },
    { scopes: ['two words'] },
    { principal: 'agent:*' },
    { principal: '' },
    { tenant: '*' },
    { reason: ' ' },
    { requestedBy: '' },
    { ttlSeconds: 0 },
    { ttlSeconds: 28_801 },
    { ttlSeconds: 1.5 },
    { more: 1 },
  ])('is refused with %j', (change) => {
    expect(ElevationAsk.safeParse({ ...ask, ...change }).success).toBe(false)
  })

  it('names a scope that there is, or the nearest one is told', () => {
    const known = ['flags.write:prod', 'flags.write:staging', 'orders.read']
    expect(scopesProblem(['orders.read'], known)).toBeUndefined()
    expect(scopesProblem(['flags.write:prd'], known)).toBe(
      "there is no scope 'flags.write:prd'; did you mean 'flags.write:prod'?",
    )
    expect(scopesProblem(['admin'], known)).toBe("there is no scope 'admin'")
  })

  it('is hopeless for a scope on the deny list, and says so', () => {
    expect(scopesProblem(['orders.read'], ['orders.read'], ['orders.read'])).toMatch(/deny list/)
  })
})

describe('the elevations in force', () => {
  const open = (more: { endsMs?: number; id?: string; principal?: string; scopes?: string[] } = {}) => {
    const clock = testClock()
    const live = elevations(clock)
    live.grant({
      id: 'gr-1',
      tenant: 'acme',
      principal: 'agent:release',
      scopes: ['flags.write:prod'],
      endsMs: clock.nowMs() + 900_000,
      ...more,
    })
    return { clock, live }
  }

  it('are bound to the tenant and the principal, by exact name', () => {
    const { live } = open()
    expect(live.of('acme', 'agent:release')).toEqual(['flags.write:prod'])
    for (const [tenant, principal] of [
      ['globex', 'agent:release'],
      ['acme', 'agent:releas'],
      ['acme', 'agent:Release'],
      ['acme', ''],
    ] as const)
      expect(live.of(tenant, principal)).toEqual([])
  })

  it('end with their time, whatever the wall clock is set to', () => {
    const { clock, live } = open()
    clock.step(-3_600_000)
    clock.advance(899_999)
    expect(live.of('acme', 'agent:release')).toEqual(['flags.write:prod'])
    clock.advance(1)
    expect(live.of('acme', 'agent:release')).toEqual([])
  })

  it('end when they are withdrawn, and only that one', () => {
    const { clock, live } = open()
    live.grant({
      id: 'gr-2',
      tenant: 'acme',
      principal: 'agent:release',
      scopes: ['web.post'],
      endsMs: clock.nowMs() + 9,
    })
    live.end('gr-1')
    live.end('gr-unknown')
    expect(live.of('acme', 'agent:release')).toEqual(['web.post'])
  })
})

describe('rights with elevations', () => {
  const entries = directory([
    { principal: 'agent:release', allow: ['orders.read'], deny: ['crm.write'] },
    { principal: 'user:ana', deny: ['web.post'] },
  ])
  const who = {
    tenant: 'acme',
    subject: 'agent:release',
    actor: { id: 'agent:release' },
    scopes: ['orders.read', 'web.fetch'],
  }

  it('are (token and allow) and elevations, minus deny', () => {
    const granted = ['flags.write:prod', 'crm.write', 'orders.read']
    expect(rightsNow(entries, () => granted, who)).toEqual({
      rights: ['orders.read', 'flags.write:prod'],
      outsideAllow: ['web.fetch'],
      elevated: ['flags.write:prod'],
    })
  })

  it('of one who acts for another take only what both were granted, and nothing either is denied', () => {
    const acting = { ...who, subject: 'user:ana', scopes: [] }
    const granted: Record<string, string[]> = {
      'agent:release': ['flags.write:prod', 'web.post', 'web.fetch'],
      'user:ana': ['web.post', 'web.fetch'],
    }
    expect(rightsNow(entries, (_tenant, name) => granted[name] ?? [], acting).rights).toEqual(['web.fetch'])
    expect(rightsNow(entries, (_tenant, name) => (name === 'user:ana' ? ['web.fetch'] : []), acting).rights).toEqual([])
  })
})
