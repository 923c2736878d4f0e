import { describe, expect, it } from 'vitest'
import { term } from '../../../src/control/term.ts'
import { testClock } from '../../support/clock.ts'

describe('a term', () => {
  it('is over when its time has gone by', () => {
    const clock = testClock()
    const own = term(clock, clock.nowMs() + 1_000)
    expect(own.remainingMs()).toBe(1_000)
    clock.advance(999)
    expect(own.remainingMs()).toBe(1)
    clock.advance(1)
    expect(own.remainingMs()).toBe(0)
  })

  it('is never made longer by a clock that is set back', () => {
    const clock = testClock()
    const own = term(clock, clock.nowMs() + 1_000)
    clock.step(-3_600_000)
    clock.advance(1_000)
    expect(own.remainingMs()).toBe(0)
  })

  it('ends early with a clock that is set forward, and does not come back when that is undone', () => {
    const clock = testClock()
    const own = term(clock, clock.nowMs() + 1_000)
    clock.step(3_600_000)
    expect(own.remainingMs()).toBe(0)
    clock.step(-3_600_000)
    expect(own.remainingMs()).toBe(0)
  })

  it('does not begin anew in a process whose clock stands before what is known', () => {
    const clock = testClock()
    const endsMs = clock.nowMs() + 600_000
    const knownMs = clock.nowMs() + 590_000
    expect(term(clock, endsMs, knownMs).remainingMs()).toBe(10_000)
    expect(term(clock, endsMs, endsMs).remainingMs()).toBe(0)
  })
})
