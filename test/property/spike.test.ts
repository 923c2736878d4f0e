import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeSpike, type SpikeRule, type Tally } from '../../src/limits/spike.ts'
import { seeded } from '../support/log-mutator.ts'

const rule = fc.record({
  factor: fc.double({ min: 1, max: 10, noNaN: true }),
  errorRateMin: fc.double({ min: 0, max: 0.5, noNaN: true }),
  requestsMin: fc.integer({ min: 1, max: 500 }),
})
const tally: fc.Arbitrary<Tally> = fc
  .tuple(fc.integer({ min: 0, max: 100_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([requests, share]) => ({ requests, errors: Math.floor(requests * share) }))
const before = fc.option(tally, { nil: undefined })
const usual: SpikeRule = { factor: 2, errorRateMin: 0.02, requestsMin: 50 }

describe('an error spike', () => {
  it('is never seen in too few requests, nor at a rate that is within what is allowed', () => {
    fc.assert(
      fc.property(rule, before, tally, (given, earlier, now) => {
        const { kind, rate, limit } = judgeSpike(given, earlier, now)
        if (now.requests < given.requestsMin) expect(kind).toBe('few')
        if (rate <= limit || rate <= given.errorRateMin) expect(kind).not.toBe('spike')
      }),
    )
  })

  it('stays one when more of the same requests fail', () => {
    fc.assert(
      fc.property(rule, before, tally, fc.nat(1_000), (given, earlier, now, more) => {
        fc.pre(judgeSpike(given, earlier, now).kind === 'spike')
        const worse = { ...now, errors: Math.min(now.requests, now.errors + more) }
        expect(judgeSpike(given, earlier, worse).kind).toBe('spike')
      }),
    )
  })

  it('is seen whenever everything fails that did not fail before, however bad it was before', () => {
    fc.assert(
      fc.property(before, fc.integer({ min: 50, max: 100_000 }), (earlier, requests) => {
        fc.pre(earlier === undefined || earlier.errors * 2 < earlier.requests)
        expect(judgeSpike(usual, earlier, { requests, errors: requests }).kind).toBe('spike')
      }),
    )
  })

  it('is measured against nothing but the floor where too little was counted before', () => {
    const now = { requests: 400, errors: 40 }
    expect(judgeSpike(usual, { requests: 49, errors: 49 }, now)).toMatchObject({ kind: 'spike', limit: 0.02 })
    expect(judgeSpike(usual, undefined, now)).toMatchObject({ kind: 'spike', limit: 0.02 })
    expect(judgeSpike(usual, { requests: 50, errors: 5 }, now)).toMatchObject({ kind: 'fine', limit: 0.2 })
  })

  it('is not seen in the noise of a rate that did not change, and is when it grew tenfold', () => {
    const random = seeded(17)
    const drawn = (requests: number, rate: number) => ({
      requests,
      errors: Array.from({ length: requests }).filter(() => random() < rate).length,
    })
    const looks = (rate: number) =>
      Array.from({ length: 300 }, (_, at) => judgeSpike(usual, drawn(2_000, 0.01), drawn(50 + at * 5, rate)).kind)
    expect(looks(0.01).filter((kind) => kind === 'spike')).toEqual([])
    expect(looks(0.1).filter((kind) => kind !== 'spike').length).toBeLessThan(45)
  })
})
