import { describe, expect, it } from 'vitest'
import { breaker, type BreakerRules, type Ending } from '../../../src/limits/breaker.ts'
import { defaultGuard } from '../../../src/limits/guard.ts'
import { testClock } from '../../support/clock.ts'

const rules = { ...defaultGuard.breaker, failures: 3, slowMs: 500, openMs: 1_000, openMaxMs: 4_000 }

function bench(over: Partial<BreakerRules> = {}, random = () => 0) {
  const clock = testClock()
  const changes: string[] = []
  const own = breaker({ rules: { ...rules, ...over }, clock, random, changed: (state) => changes.push(state) })
  const call = (ending: Ending, tenant = 'acme') => {
    const entrance = own.enter(tenant)
    if (entrance.ok) entrance.ended(ending)
    return entrance.ok
  }
  const calls = (...endings: Ending[]) => endings.map((ending) => call(ending))
  return { clock, changes, own, call, calls }
}

describe('a breaker', () => {
  it('opens on failures in a row, and a success begins the row anew', () => {
    const { own, calls } = bench()
    calls('failed', 'failed', 'ok', 'failed', 'failed')
    expect(own.state()).toBe('closed')
    calls('failed')
    expect(own.state()).toBe('open')
  })

  it('opens on a share of failures once enough calls ended within the window', () => {
    const { own, calls } = bench({ callsMin: 10, failureRate: 0.5 })
    for (let pair = 0; pair < 4; pair += 1) calls('ok', 'failed')
    expect(own.state()).toBe('closed')
    calls('ok', 'failed')
    expect(own.state()).toBe('open')
  })

  it('does not open on a success, whatever came before it', () => {
    const { own, calls } = bench({ callsMin: 10, failureRate: 0.5 })
    for (let group = 0; group < 3; group += 1) calls('failed', 'failed', 'ok')
    expect(own.state()).toBe('closed')
    calls('ok', 'ok')
    expect(own.state()).toBe('closed')
    calls('failed')
    expect(own.state()).toBe('open')
  })

  it('forgets what lies before the window', () => {
    const { own, calls, clock } = bench({ callsMin: 10, failureRate: 0.5, windowMs: 10_000 })
    for (let pair = 0; pair < 4; pair += 1) calls('ok', 'failed')
    clock.advance(10_000)
    calls('ok', 'failed')
    expect(own.state()).toBe('closed')
  })

  it('says nothing of a call whose end says nothing of the other side', () => {
    const { own, calls } = bench()
    calls('failed', 'failed', 'unsaid', 'unsaid', 'unsaid')
    expect(own.state()).toBe('closed')
    calls('failed')
    expect(own.state()).toBe('open')
  })

  it('takes a slow call for a failure, though it succeeds in the end', () => {
    const { own, clock } = bench()
    for (let count = 0; count < 3; count += 1) {
      const entrance = own.enter('acme')
      clock.advance(501)
      if (entrance.ok) entrance.ended('ok')
    }
    expect(own.state()).toBe('open')
  })

  it('takes calls that never end for failures as soon as they are overdue', () => {
    const { own, clock } = bench()
    for (let count = 0; count < 3; count += 1) own.enter('acme')
    clock.advance(500)
    expect(own.state()).toBe('closed')
    clock.advance(1)
    expect(own.state()).toBe('open')
  })

  it('lets nobody through while it is open, and says truly when it will', () => {
    const { own, calls, clock } = bench({}, () => 0.3)
    calls('failed', 'failed', 'failed')
    const refused = own.enter('globex')
    expect(refused).toEqual({ ok: false, retryAfterMs: 650 })
    clock.advance(649)
    expect(own.enter('globex').ok).toBe(false)
    clock.advance(1)
    expect(own.enter('globex').ok).toBe(true)
  })

  it('lets exactly one probe through, however many ask', () => {
    const { own, calls, clock } = bench()
    calls('failed', 'failed', 'failed')
    clock.advance(2_000)
    const entered = Array.from({ length: 1_000 }, (_, index) => own.enter(`tenant-${index}`)).filter(({ ok }) => ok)
    expect(entered).toHaveLength(1)
    expect(own.state()).toBe('half_open')
  })

  it('closes when the probe succeeds, and lets everybody through', () => {
    const { own, calls, clock, changes } = bench()
    calls('failed', 'failed', 'failed')
    clock.advance(2_000)
    expect(calls('ok', 'ok', 'ok')).toEqual([true, true, true])
    expect(own.state()).toBe('closed')
    expect(changes).toEqual(['open', 'closed'])
  })

  it('opens for twice as long with each probe that fails, up to a maximum, half of it random', () => {
    const { own, call, calls, clock } = bench({}, () => 0.999_999)
    calls('failed', 'failed', 'failed')
    const periods = [own.waitMs('globex')]
    for (let probe = 0; probe < 4; probe += 1) {
      clock.advance(5_000)
      expect(call('failed')).toBe(true)
      periods.push(own.waitMs('globex'))
    }
    expect(periods).toEqual([1_000, 2_000, 4_000, 4_000, 4_000])
  })

  it('gives the next one the probe when the caller of the first has left', () => {
    const { own, calls, clock } = bench()
    calls('failed', 'failed', 'failed')
    clock.advance(2_000)
    expect(calls('unsaid')).toEqual([true])
    expect(own.state()).toBe('open')
    expect(own.waitMs('globex')).toBe(0)
  })

  it('opens again when a probe is lost', () => {
    const { own, calls, clock } = bench()
    calls('failed', 'failed', 'failed')
    clock.advance(2_000)
    own.enter('acme')
    const refused = own.enter('acme')
    expect(refused).toEqual({ ok: false, retryAfterMs: 500 })
    clock.advance(501)
    expect(own.state()).toBe('open')
  })

  it('hears nothing from calls that began before it opened', () => {
    const { own, calls, clock } = bench()
    const early = own.enter('acme')
    calls('failed', 'failed', 'failed')
    clock.advance(400)
    if (early.ok) early.ended('ok')
    expect(own.state()).toBe('open')
  })

  it('counts each end once', () => {
    const { own } = bench()
    const entrance = own.enter('acme')
    for (let count = 0; count < 9; count += 1) if (entrance.ok) entrance.ended('failed')
    expect(own.state()).toBe('closed')
  })

  it('does not open for the failures of one tenant while calls of another succeed', () => {
    const { own, call, clock } = bench({ callsMin: 10, failureRate: 0.5 })
    for (let round = 0; round < 50; round += 1) {
      call('ok', 'globex')
      for (let count = 0; count < 5; count += 1) call('failed', 'acme')
      clock.advance(100)
    }
    expect(own.state()).toBe('closed')
    call('failed', 'globex')
    expect(own.state()).toBe('open')
  })

  it('opens for one tenant as for all when nothing of another succeeded for as long as a slow call takes', () => {
    const { own, call, clock } = bench()
    call('ok', 'globex')
    for (let count = 0; count < 3; count += 1) call('failed', 'acme')
    expect(own.state()).toBe('closed')
    clock.advance(rules.slowMs)
    call('failed', 'acme')
    expect(own.state()).toBe('open')
  })

  it('lets others probe before the tenant whose failure opened it', () => {
    const { own, calls, clock } = bench()
    calls('failed', 'failed', 'failed')
    clock.advance(500)
    expect(own.enter('acme')).toEqual({ ok: false, retryAfterMs: 500 })
    expect(own.enter('globex').ok).toBe(true)
  })

  it('goes by the monotonic clock: a step of the wall clock neither opens nor keeps it', () => {
    const { own, calls, clock } = bench()
    calls('failed', 'failed', 'failed')
    clock.step(3_600_000)
    expect(own.enter('globex').ok).toBe(false)
    clock.step(-7_200_000)
    clock.advance(500)
    expect(own.enter('globex').ok).toBe(true)
  })
})
