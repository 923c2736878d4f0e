import { describe, expect, it } from 'vitest'
import { buckets } from '../../../src/limits/bucket.ts'
import { slots } from '../../../src/limits/slots.ts'
import { testClock } from '../../support/clock.ts'

const rate = { key: 'a', rpm: 60, burst: 3 }

function bench(keysMax = 10) {
  const clock = testClock()
  const all = buckets({ clock, keysMax })
  const go = (which = rate) => {
    const { waitMs } = all.look(which)
    if (waitMs === 0) all.take(which)
    return waitMs
  }
  return { clock, all, go }
}

describe('a token bucket', () => {
  it('lets a burst through, then one for each interval, and says how long to wait', () => {
    const { clock, go } = bench()
    expect([go(), go(), go(), go()]).toEqual([0, 0, 0, 1000])
    clock.advance(999)
    expect(go()).toBe(1)
    clock.advance(1)
    expect([go(), go()]).toEqual([0, 1000])
  })

  it('lets a caller through that waits as it was told, at any odd rate', () => {
    for (const rpm of [1, 7, 61, 599, 7919]) {
      const { clock, go } = bench()
      const odd = { key: 'a', rpm, burst: 2 }
      for (let n = 0; n < 20; n++) {
        const waitMs = go(odd)
        clock.advance(waitMs)
        if (waitMs > 0) expect(go(odd)).toBe(0)
      }
    }
  })

  it('never lets more through in a minute than rate and burst together', () => {
    const { clock, go } = bench()
    let through = 0
    for (let ms = 0; ms < 60_000; ms += 100, clock.advance(100)) if (go() === 0) through += 1
    expect(through).toBe(62)
  })

  it('takes nothing by looking', () => {
    const { all } = bench()
    for (let n = 0; n < 100; n++) expect(all.look(rate).waitMs).toBe(0)
  })

  it('is not opened or jammed by the wall clock', () => {
    const { clock, go } = bench()
    for (let n = 0; n < 3; n++) go()
    clock.step(3_600_000)
    expect(go()).toBe(1000)
    clock.step(-7_200_000)
    clock.advance(1000)
    expect(go()).toBe(0)
  })

  it('keeps keys apart, and lets nothing through at a rate of nothing', () => {
    const { go } = bench()
    for (let n = 0; n < 4; n++) go()
    expect(go({ ...rate, key: 'b' })).toBe(0)
    expect(go({ key: 'c', rpm: 0, burst: 5 })).toBe(60_000)
  })

  it('holds no more keys than it may: full buckets make room, others do not', () => {
    const { clock, go } = bench(2)
    for (let n = 0; n < 3; n++) go({ ...rate, key: 'a' })
    go({ ...rate, key: 'b' })
    expect(go({ ...rate, key: 'c' })).toBeGreaterThan(0)
    clock.advance(3000)
    expect(go({ ...rate, key: 'c' })).toBe(0)
  })
})

describe('slots', () => {
  it('are free up to a maximum and come back', () => {
    const places = slots({ keysMax: 10 })
    places.take('a')
    places.take('a')
    expect([places.free('a', 2), places.free('a', 3), places.free('b', 1), places.free('b', 0)]).toEqual([
      false,
      true,
      true,
      false,
    ])
    places.give('a')
    expect(places.free('a', 2)).toBe(true)
  })

  it('never count below nothing, and hold no more keys than they may', () => {
    const places = slots({ keysMax: 1 })
    places.give('a')
    places.take('a')
    expect([places.free('a', 1), places.free('b', 1)]).toEqual([false, false])
    places.give('a')
    expect(places.free('b', 1)).toBe(true)
  })
})
