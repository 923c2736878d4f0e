import { describe, expect, it } from 'vitest'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import type { Effort } from '../../../src/call/limit.ts'
import { dayOf } from '../../../src/limits/budget.ts'
import type { Ceilings, CeilingsOf } from '../../../src/limits/ceilings.ts'
import { limiter, type Admission } from '../../../src/limits/limiter.ts'
import { testClock } from '../../support/clock.ts'

type Set = Readonly<Partial<Record<'principal' | 'tenant' | 'tool', Ceilings>>>

function bench(configured: Set = {}, lowered: Set = {}) {
  const clock = testClock()
  const state = memoryState()
  const of =
    (set: Set): CeilingsOf =>
    (subject) =>
      set[subject]
  const miscounts: unknown[] = []
  const limits = limiter({
    clock,
    state,
    configured: of(configured),
    lowered: of(lowered),
    miscount: (error) => miscounts.push(error),
  })
  const effort = (more: Partial<Effort> = {}): Effort => ({
    tenant: 'acme',
    principal: 'agent:copilot',
    session: 's1',
    tool: 'orders.export',
    costMicroUsd: 0,
    argsKey: 'x',
    plan: {},
    atMs: clock.nowMs(),
    ...more,
  })
  const enter = (more: Partial<Effort> = {}) => limits.enter(effort(more))
  /** Makes a call that ends at once; gives 'ok' or the code it was refused with. */
  const call = async (more: Partial<Effort> = {}, ended: 'ok' | 'not' = 'ok') => {
    const admission = await enter(more)
    if (admission.ok) admission.release(ended)
    return codeOf(admission)
  }
  return { clock, state, limits, enter, call, miscounts }
}

const codeOf = (admission: Admission) => (admission.ok ? 'ok' : admission.denied.code)
const deniedOf = (admission: Admission) => (admission.ok ? undefined : admission.denied)

describe('the limiter', () => {
  it('holds a principal to its rate, and following its advice succeeds', async () => {
    const { clock, call, enter } = bench({ principal: { rpm: 60, burst: 2 } })
    expect([await call(), await call()]).toEqual(['ok', 'ok'])
    const denied = deniedOf(await enter())
    expect(denied).toMatchObject({ code: 'rate_limited', limit: { name: 'rpm', max: 60 }, retryAfterMs: 1000 })
    clock.advance(denied?.retryAfterMs ?? 0)
    expect(await call()).toBe('ok')
  })

  it('has limits for a principal that has none of its own: 600 a minute, 100 at once, 32 under way', async () => {
    const { enter, call } = bench()
    const admissions = await Promise.all(Array.from({ length: 33 }, (_, n) => enter({ argsKey: `${n}` })))
    expect(deniedOf(admissions[32] as Admission)).toMatchObject({ code: 'concurrency_limited', limit: { max: 32 } })
    for (const admission of admissions) if (admission.ok) admission.release('ok')
    // One of the 33 was refused for want of a place, so it took none of the rate.
    for (let n = 0; n < 68; n++) expect(await call({ argsKey: `m${n}` })).toBe('ok')
    expect(deniedOf(await enter())).toMatchObject({ code: 'rate_limited', limit: { max: 600 } })
  })

  it('gives no more than a minute at once to a principal with a rate alone', async () => {
    const { call } = bench({ principal: { rpm: 3 } })
    expect([await call(), await call(), await call(), await call()]).toEqual(['ok', 'ok', 'ok', 'rate_limited'])
  })

  it('gives a place back when the call ends, once', async () => {
    const { enter } = bench({ principal: { concurrency: 2 } })
    const [first] = await Promise.all([enter(), enter()])
    expect(deniedOf(await enter())).toMatchObject({ code: 'concurrency_limited', retryAfterMs: 250 })
    for (let n = 0; n < 3; n++) if (first.ok) first.release('ok')
    expect([(await enter()).ok, (await enter()).ok]).toEqual([true, false])
  })

  it('holds a tenant and a tool to theirs, without one tenant using up what is another', async () => {
    const { call, enter } = bench({ tenant: { rpm: 3 }, tool: { rpm: 2 } })
    expect([await call(), await call()]).toEqual(['ok', 'ok'])
    expect(deniedOf(await enter())?.limit).toMatchObject({ name: 'tool.rpm', max: 2 })
    expect(await call({ tool: 'flag.set', principal: 'agent:other' })).toBe('ok')
    expect(deniedOf(await enter({ tool: 'web.fetchSafe' }))?.limit).toMatchObject({ name: 'tenant.rpm', max: 3 })
    expect(await call({ tenant: 'globex' })).toBe('ok')
  })

  it('takes nothing for a call that it refuses', async () => {
    const { call } = bench({
      principal: { concurrency: 5, rpm: 100, burst: 100 },
      tool: { rpm: 1 },
      tenant: { rpm: 2 },
    })
    expect(await call()).toBe('ok')
    for (let n = 0; n < 10; n++) expect(await call()).toBe('rate_limited')
    expect(await call({ tool: 'flag.set' })).toBe('ok')
  })

  it('obeys a switch that lowers, at once, and never one that would raise', async () => {
    const lowered: { principal?: Ceilings } = {}
    const { call } = bench({ principal: { rpm: 60, burst: 50 } }, lowered)
    for (let n = 0; n < 5; n++) expect(await call()).toBe('ok')
    lowered.principal = { rpm: 5 }
    const codes: string[] = []
    for (let n = 0; n < 10; n++) codes.push(await call())
    expect(codes.filter((code) => code === 'ok').length).toBeLessThanOrEqual(5)
    const raised = bench({ principal: { rpm: 1, burst: 1 } }, { principal: { rpm: 1000, burst: 1000 } })
    expect([await raised.call(), await raised.call()]).toEqual(['ok', 'rate_limited'])
  })
})

describe('the daily budget', () => {
  const costly = { costMicroUsd: 400_000 }

  it('is charged before the call runs, and holds against calls at once', async () => {
    const { enter, state, clock } = bench({ principal: { daily_cost_usd: 1 } })
    const admissions = await Promise.all([enter(costly), enter(costly), enter(costly)])
    expect(admissions.map(codeOf).sort()).toEqual(['budget_exhausted', 'ok', 'ok'])
    const account = JSON.stringify(['principal', 'acme', 'agent:copilot'])
    expect(await state.spent(account, dayOf(clock.nowMs()))).toBe(800_000)
    expect(admissions[1]).toMatchObject({ limits: { budgetLimitMicroUsd: 1_000_000 } })
  })

  it('comes back at midnight UTC, as the refusal says', async () => {
    const { call, enter, clock } = bench({ principal: { daily_cost_usd: 0.4 } })
    expect(await call(costly)).toBe('ok')
    const denied = deniedOf(await enter(costly))
    expect(denied).toMatchObject({
      code: 'budget_exhausted',
      limit: { name: 'daily_cost_usd', max: 0.4 },
      retryAfterMs: 12 * 3600 * 1000,
    })
    clock.advance(denied?.retryAfterMs ?? 0)
    expect(await call(costly)).toBe('ok')
  })

  it('is corrected to the true cost when the call ends', async () => {
    const { enter, call, miscounts } = bench({ principal: { daily_cost_usd: 1 } })
    const dear = await enter({ costMicroUsd: 0 })
    if (dear.ok) dear.release('ok', 1_000_000)
    const refused = await enter(costly)
    expect(refused).toMatchObject({ ok: false, denied: { code: 'budget_exhausted' } })
    expect(await call({ argsKey: 'free' })).toBe('budget_exhausted')
    expect(miscounts).toEqual([])
  })

  it('gives back what a call that never ran was charged', async () => {
    const { enter, call } = bench({ principal: { daily_cost_usd: 0.4 } })
    const refusedLater = await enter(costly)
    if (refusedLater.ok) refusedLater.release('not', 0)
    expect(await call({ ...costly, argsKey: 'other' })).toBe('ok')
  })

  it('counts for the tenant too, and charges nobody when either is exhausted', async () => {
    const { call, state, clock } = bench({ principal: { daily_cost_usd: 10 }, tenant: { daily_cost_usd: 0.5 } })
    expect(await call(costly)).toBe('ok')
    expect(await call({ ...costly, principal: 'agent:other' })).toBe('budget_exhausted')
    const other = JSON.stringify(['principal', 'acme', 'agent:other'])
    expect(await state.spent(other, dayOf(clock.nowMs()))).toBe(0)
  })

  it('refuses, and keeps no place, when the state cannot be asked', async () => {
    const clock = testClock()
    const down = {
      ...memoryState(),
      spend: () => Promise.reject(new Error('disk')),
      spent: () => Promise.reject(new Error('disk')),
    }
    const limits = limiter({ clock, state: down, configured: () => ({ concurrency: 1, daily_cost_usd: 1 }) })
    const effort: Effort = {
      tenant: 't',
      principal: 'p',
      session: 's',
      tool: 'x',
      costMicroUsd: 1,
      argsKey: 'a',
      plan: {},
      atMs: 0,
    }
    await expect(limits.enter(effort)).rejects.toThrow('disk')
    await expect(limits.enter(effort)).rejects.toThrow('disk')
  })
})

describe('the stop rules', () => {
  it('stop a call that was repeated without success more often than it may be', async () => {
    const { call, enter } = bench({ principal: { max_retries: 3 } })
    for (let n = 0; n < 4; n++) expect(await call({}, 'not')).toBe('ok')
    const stopped = await enter()
    expect(stopped).toMatchObject({
      ok: false,
      limits: { retry: 4 },
      denied: { code: 'loop_stopped', limit: { name: 'max_retries', max: 3 } },
    })
  })

  it('count on while their refusals are ignored, over sessions and calls in between', async () => {
    const { call, enter } = bench()
    for (let n = 0; n < 9; n++) {
      await call({ session: `s${n}` }, 'not')
      await call({ argsKey: `other ${n}` })
    }
    expect((await enter()).limits.retry).toBe(9)
  })

  it('let the call through again after the pause they ask for, or once it has succeeded', async () => {
    const { call, enter, clock } = bench({ principal: { max_retries: 1 } })
    for (let n = 0; n < 2; n++) await call({}, 'not')
    const denied = deniedOf(await enter())
    expect(denied?.code).toBe('loop_stopped')
    clock.advance(denied?.retryAfterMs ?? 0)
    expect(await call()).toBe('ok')
    await call({}, 'not')
    expect((await enter()).limits.retry).toBe(1)
  })

  it('do not take calls for repetitions that were only told to come back later', async () => {
    const { call, clock } = bench({ principal: { rpm: 60, burst: 1, max_retries: 1 } })
    await call({}, 'not')
    for (let n = 0; n < 5; n++) expect(await call()).toBe('rate_limited')
    clock.advance(1000)
    expect(await call()).toBe('ok')
  })

  it('leave calls alone that succeed, or differ, or are another principal’s', async () => {
    const { call } = bench({ principal: { max_retries: 1 } })
    for (let n = 0; n < 5; n++) expect(await call()).toBe('ok')
    for (let n = 0; n < 5; n++) expect(await call({ argsKey: `${n}` }, 'not')).toBe('ok')
    for (let n = 0; n < 5; n++) expect(await call({ principal: `agent:${n}` }, 'not')).toBe('ok')
  })

  describe('stop the same few calls that come round and round', () => {
    const turn = async (call: ReturnType<typeof bench>['call'], keys: string, more: Partial<Effort> = {}) => {
      const codes = []
      for (const argsKey of keys) codes.push(await call({ argsKey, ...more }))
      return codes
    }
    const round = (keys: string, turns: number) => keys.repeat(turns)
    const fast = { principal: { rpm: 1_000_000, burst: 100_000 } }

    it.each(['AB', 'AAB', 'ABCDEFGH'])('%s, with success and whatever the agent claims', async (keys) => {
      const { call } = bench(fast)
      const codes = await turn(call, round(keys, 20), { plan: { retry: 0, depth: 1 } })
      expect(codes).toEqual(codes.map(() => 'ok'))
      expect((await turn(call, round(keys, 2))).includes('loop_stopped')).toBe(true)
    })

    it('and let them go on after the pause they ask for, or after something else', async () => {
      const { call, enter, clock } = bench(fast)
      await turn(call, round('AB', 20))
      const denied = deniedOf(await enter({ argsKey: 'A' }))
      expect(denied).toMatchObject({ code: 'loop_stopped', limit: { name: 'max_cycles', max: 20, resetMs: 60_000 } })
      expect(await turn(call, 'CAB')).toEqual(['ok', 'ok', 'ok'])
      await turn(call, round('AB', 30))
      clock.advance(denied?.retryAfterMs ?? 0)
      expect(await turn(call, round('AB', 20))).toEqual(Array.from({ length: 40 }, () => 'ok'))
    })

    it('but not one call again and again, nor declared pollers, nor nine calls in turn, nor another session’s', async () => {
      const { call } = bench(fast)
      const all = [
        ...(await turn(call, round('A', 100))),
        ...(await turn(call, round('AB', 60), { polling: true })),
        ...(await turn(call, round('ABCDEFGHI', 30))),
        ...(await turn(call, round('AB', 20), { session: 's2' })),
        ...(await turn(call, round('AB', 20), { session: 's3' })),
      ]
      expect(all).toEqual(all.map(() => 'ok'))
    })

    it('as often as max_retries allows, where that is more', async () => {
      const { call } = bench({ principal: { ...fast.principal, max_retries: 50 } })
      expect(await turn(call, round('AB', 50))).toEqual(Array.from({ length: 100 }, () => 'ok'))
      expect(await call({ argsKey: 'A' })).toBe('loop_stopped')
    })
  })

  it('count the different steps of a plan, whatever depth the agent claims', async () => {
    const { call, enter } = bench({ principal: { max_plan_depth: 3 } })
    const plan = { id: 'p', step: 1, depth: 1 }
    for (const argsKey of ['a', 'b', 'b', 'c']) expect(await call({ plan, argsKey })).toBe('ok')
    expect(await enter({ plan, argsKey: 'd' })).toMatchObject({
      ok: false,
      denied: { code: 'plan_too_deep' },
      limits: { planDepth: 4 },
    })
    expect(await call({ plan: { ...plan, step: 5 }, argsKey: 'a' })).toBe('plan_too_deep')
    expect(await call({ plan: { id: 'new' }, argsKey: 'd' })).toBe('ok')
  })

  it('believe a claim that raises a count, and none that lowers it or is nonsense', async () => {
    const { enter } = bench({ principal: { max_plan_depth: 12, max_retries: 3 } })
    expect(await enter({ plan: { depth: 13 } })).toMatchObject({ ok: false, denied: { code: 'plan_too_deep' } })
    expect(await enter({ argsKey: 'r', plan: { retry: 4 } })).toMatchObject({
      ok: false,
      denied: { code: 'loop_stopped' },
    })
    for (const odd of [-5, Number.NaN, Infinity, 0.5]) {
      expect(await enter({ argsKey: `${odd}`, plan: { depth: odd, retry: odd } })).toMatchObject({
        limits: { planDepth: 1, retry: 0 },
      })
    }
  })
})

describe('whoever acts for somebody', () => {
  const bounded = (ceilings: Ceilings) => {
    const parts = { clock: testClock(), state: memoryState() }
    const configured: CeilingsOf = (subject, name) =>
      subject === 'principal' && name === 'user:ana' ? ceilings : undefined
    const limits = limiter({ ...parts, configured })
    const base = { tenant: 'acme', session: 's', tool: 't', argsKey: 'x', plan: {}, atMs: 0, costMicroUsd: 400_000 }
    return async (principal: string, onBehalfOf?: string) => {
      const admission = await limits.enter({ ...base, principal, ...(onBehalfOf !== undefined && { onBehalfOf }) })
      if (admission.ok) admission.release('ok')
      return codeOf(admission)
    }
  }

  it('uses up the rate of that subject, whichever actor it is', async () => {
    const call = bounded({ rpm: 3 })
    expect([await call('user:ana'), await call('agent:a', 'user:ana'), await call('agent:b', 'user:ana')]).toEqual([
      'ok',
      'ok',
      'ok',
    ])
    expect([await call('agent:c', 'user:ana'), await call('user:ana')]).toEqual(['rate_limited', 'rate_limited'])
    expect(await call('agent:a', 'user:ben')).toBe('ok')
  })

  it('uses up the money of that subject', async () => {
    const call = bounded({ daily_cost_usd: 1 })
    expect([await call('agent:a', 'user:ana'), await call('agent:b', 'user:ana')]).toEqual(['ok', 'ok'])
    expect([await call('agent:c', 'user:ana'), await call('user:ana')]).toEqual([
      'budget_exhausted',
      'budget_exhausted',
    ])
  })

  it('is held to the stop rules of that subject, and counted once when both are the same', async () => {
    const call = bounded({ max_plan_depth: 0 })
    expect([await call('agent:a', 'user:ana'), await call('agent:a')]).toEqual(['plan_too_deep', 'ok'])
    const same = bounded({ rpm: 2 })
    expect([await same('user:ana', 'user:ana'), await same('user:ana', 'user:ana')]).toEqual(['ok', 'ok'])
  })
})
