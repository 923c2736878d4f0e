import { describe, expect, it } from 'vitest'
import { guardRule } from '../../../src/config/guard-section.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { healthSecondsMax } from '../../../src/limits/rollout.ts'
import { aService, get } from '../../support/demo-services.ts'

const parse = (guard: string, mode = 'development', tool = 'flag.set') =>
  parseConfig(`mode: ${mode}\ntools: { ${tool}: { guard: ${guard} } }\n`, 'sluicegate.yaml')
const rule = (guard: string) => guardRule(parse(guard).config?.tools['flag.set']?.guard, 'development')

describe('the rollout section', () => {
  it('watches raises above 10 % in staging and prod for ten minutes when nothing is said', () => {
    expect(guardRule(undefined, 'production')).toEqual({
      abovePct: 10,
      envs: ['staging', 'prod'],
      watchMs: 600_000,
      pollMs: 5_000,
      windowMs: 120_000,
      factor: 2,
      errorRateMin: 0.02,
      requestsMin: 50,
      unreadableMax: 6,
      whenBlind: 'rollback',
      unwatched: 'refuse',
      firstStep: { envs: [], heldMs: 0 },
    })
  })

  it('lets a raise pass unwatched in development alone, unless it says otherwise', () => {
    expect(guardRule(undefined, 'development')?.unwatched).toBe('allow')
    expect(rule('{ unwatched: refuse }')?.unwatched).toBe('refuse')
  })

  it('watches nothing when it is switched off', () => {
    expect(rule('{ enabled: false }')).toBeUndefined()
  })

  it.each([
    ['{ factor: 0.5 }', 'tools.flag.set.guard.factor'],
    ['{ pollSeconds: 700 }', 'tools.flag.set.guard.pollSeconds'],
    ['{ envs: [production] }', 'tools.flag.set.guard.envs'],
    ['{ watchSecond: 5 }', 'tools.flag.set.guard.watchSecond'],
    ['{ firstStep: { envs: [prod], minutes: 5 } }', 'tools.flag.set.guard.firstStep.minutes'],
  ])('is refused with its path: %s', (guard, where) => {
    expect(parse(guard).problems.map(({ path }) => path.startsWith(where))).toEqual([true])
  })

  it('counts over no longer than a flag service is asked about, and the bundled one answers for as long', async () => {
    expect(parse(`{ windowSeconds: ${healthSecondsMax} }`).problems).toEqual([])
    expect(parse(`{ windowSeconds: ${healthSecondsMax + 1} }`).problems).toMatchObject([
      {
        path: 'tools.flag.set.guard.windowSeconds',
        message: expect.stringContaining('must be at most 3600: services count') as string,
      },
    ])
    const service = await aService('us-east')
    const asked = async (seconds: number) =>
      (await get(service, `/flags/x/prod/health?windowS=${seconds}`, 'acme')).status
    const statuses = [await asked(healthSecondsMax), await asked(healthSecondsMax + 1)]
    await service.close()
    expect(statuses).toEqual([200, 400])
  })

  it('is refused for a tool that has no rollouts', () => {
    expect(parse('{}', 'development', 'orders.export').problems).toMatchObject([
      { path: 'tools.orders.export.guard', message: 'Only flag.set has rollouts to guard; remove it.' },
    ])
  })
})
