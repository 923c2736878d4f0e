import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { directory, PrincipalEntry } from '../../../src/identity/directory.ts'
import { rightsOf } from '../../../src/identity/grant.ts'

describe('rights', () => {
  const entry = { allow: ['orders.read', 'flags.write:staging', 'flags.write:prod'], deny: ['flags.write:prod'] }

  it('are what the token carries and the principal is listed for, less what it is denied', () => {
    expect(rightsOf(['orders.read', 'flags.write:prod', 'crm.write'], entry)).toEqual({
      rights: ['orders.read'],
      outsideAllow: ['crm.write'],
    })
  })

  it('are the whole token when nothing is listed, less what is denied', () => {
    expect(rightsOf(['a', 'b'], undefined)).toEqual({ rights: ['a', 'b'], outsideAllow: [] })
    expect(rightsOf(['a', 'b'], { deny: ['b'] }).rights).toEqual(['a'])
    expect(rightsOf(['a'], { allow: [] })).toEqual({ rights: [], outsideAllow: ['a'] })
  })

  it('gain elevations beyond the list, never beyond a denial', () => {
    expect(rightsOf(['orders.read'], entry, ['crm.write', 'flags.write:prod', 'orders.read']).rights).toEqual([
      'orders.read',
      'crm.write',
    ])
  })

  it('compare scopes exactly', () => {
    expect(
      rightsOf(['orders.readall', 'Orders.read', 'orders.read:x', 'orders'], { allow: ['orders.read'] }).rights,
    ).toEqual([])
  })
})

describe('the principals of a configuration', () => {
  it('load as the documents write them, and add up', () => {
    const entries = z.array(PrincipalEntry).parse([
      {
        principal: 'agent:copilot',
        allow: ['orders.read', 'flags.write:staging'],
        deny: ['flags.write:prod'],
        ttlSeconds: 600,
      },
      {
        principal: 'agent:copilot',
        limits: { rpm: 60, burst: 100, concurrency: 5, daily_cost_usd: 50 },
        stop_rules: { max_plan_depth: 12, max_retries: 3 },
      },
      { principal: 'agent:copilot', limits: { rpm: 90, concurrency: 4 }, allow: ['crm.write'], ttlSeconds: 300 },
    ])
    expect(directory(entries).find('agent:copilot')).toEqual({
      principal: 'agent:copilot',
      allow: ['orders.read', 'flags.write:staging', 'crm.write'],
      deny: ['flags.write:prod'],
      ttlSeconds: 300,
      limits: { rpm: 60, burst: 100, concurrency: 4, daily_cost_usd: 50 },
      stop_rules: { max_plan_depth: 12, max_retries: 3 },
    })
  })

  it('give two names what both are allowed and what either is denied', () => {
    const both = directory([
      { principal: 'user:ana', allow: ['a', 'b'], deny: ['x'] },
      { principal: 'agent:copilot', allow: ['b', 'c'], deny: ['y'] },
    ]).find('user:ana', 'agent:copilot')
    expect(both).toMatchObject({ allow: ['b'], deny: ['x', 'y'] })
  })

  it('know nobody else, whatever the name', () => {
    const known = directory([{ principal: 'agent:copilot', allow: [] }])
    for (const name of ['agent:Copilot', 'agent:copilot2', '__proto__', 'constructor', ''])
      expect(known.find(name)).toBeUndefined()
  })

  it('refuse wildcards, unknown fields and impossible numbers, and say where', () => {
    const parsed = z
      .array(PrincipalEntry)
      .safeParse([
        { principal: 'agent:*' },
        { principal: 'a', allow: ['orders.read', 'flags.*'] },
        { principal: 'a', deny: ['two words'] },
        { principal: 'a', limits: { rpm: -1 } },
        { principal: 'a', limit: {} },
      ])
    const paths = parsed.error?.issues.map(({ path }) => path.join('.'))
    expect(paths).toEqual(['0.principal', '1.allow.1', '2.deny.0', '3.limits.rpm', '4'])
  })
})
