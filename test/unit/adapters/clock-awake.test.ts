import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { awakeClock } from '../../../src/adapters/clock-awake.ts'
import { breaker } from '../../../src/limits/breaker.ts'
import { defaultGuard } from '../../../src/limits/guard.ts'
import { testClock } from '../../support/clock.ts'

/** Time passes, and the process with it: its timer comes round. */
function alive(clock: ReturnType<typeof testClock>, ms: number): void {
  for (let passed = 0; passed < ms; passed += 50) {
    clock.advance(50)
    vi.advanceTimersByTime(50)
  }
}

describe('an awake clock', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
  afterEach(() => void vi.useRealTimers())

  it('goes as the other does while the process runs', () => {
    const clock = testClock()
    const awake = awakeClock(clock)
    const fromNs = awake.monoNs()
    alive(clock, 10_000)
    expect(awake.monoNs() - fromNs).toBe(10_000_000_000n)
    awake.close()
  })

  it('stands while the process does, and never goes back', () => {
    const clock = testClock()
    const awake = awakeClock(clock)
    const fromNs = awake.monoNs()
    clock.advance(60_000)
    const stoodNs = awake.monoNs() - fromNs
    vi.advanceTimersByTime(50)
    expect(stoodNs).toBe(250_000_000n)
    expect(awake.monoNs() - fromNs).toBe(stoodNs)
    awake.close()
  })

  it('lets no breaker blame a service for the time in which the process stood', () => {
    const clock = testClock()
    const awake = awakeClock(clock)
    const { slowMs, failures } = defaultGuard.breaker
    const own = breaker({ rules: defaultGuard.breaker, clock: awake, random: () => 0 })
    const calls = Array.from({ length: failures * 2 }, () => own.enter('acme'))
    clock.advance(slowMs * 10)
    expect(own.enter('acme').ok).toBe(true)
    for (const call of calls) if (call.ok) call.ended('ok')
    expect(own.state()).toBe('closed')
    awake.close()
  })

  it('still lets a breaker find a service slow while the process runs', () => {
    const clock = testClock()
    const awake = awakeClock(clock)
    const { slowMs, failures } = defaultGuard.breaker
    const own = breaker({ rules: defaultGuard.breaker, clock: awake, random: () => 0 })
    for (let call = 0; call < failures; call += 1) own.enter('acme')
    alive(clock, slowMs + 100)
    expect(own.enter('acme').ok).toBe(false)
    awake.close()
  })
})
