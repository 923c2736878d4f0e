import { describe, expect, it } from 'vitest'
import { bulkhead, type Leave } from '../../../src/limits/bulkhead.ts'
import { testClock } from '../../support/clock.ts'

function bench(concurrency: number, waitingMax: number) {
  const clock = testClock()
  const own = bulkhead({ concurrency, waitingMax }, clock)
  const inside: { readonly tenant: string; readonly leave: Leave }[] = []
  const ask = (tenant: string) => own.ask(tenant, (leave) => inside.push({ tenant, leave }))
  const leaves = () => inside.shift()?.leave()
  return { clock, own, inside, ask, leaves }
}

const kinds = (asked: readonly { readonly kind: string }[]) => asked.map(({ kind }) => kind)
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)

describe('a bulkhead', () => {
  it('has no more inside than it may, and no more waiting', () => {
    const { own, ask } = bench(8, 4)
    for (let tenant = 0; tenant < 100; tenant += 1) ask(`tenant-${tenant}`)
    expect([own.inside(), own.waiting()]).toEqual([8, 4])
    expect(ask('one-more')).toEqual({ kind: 'full' })
  })

  it('leaves places for others, inside and in the queue, however much one tenant asks for', () => {
    const { ask } = bench(8, 8)
    expect(kinds(times(16, () => ask('greedy')))).toEqual([
      ...times(4, () => 'in'),
      ...times(4, () => 'waiting'),
      ...times(8, () => 'full'),
    ])
    expect(kinds([ask('acme'), ask('globex'), ask('initech')])).toEqual(['in', 'in', 'in'])
  })

  it('gives a freed place to the tenants that wait, one after the other, each in its own order', () => {
    const { ask, leaves, inside } = bench(1, 20)
    for (const tenant of ['first', 'acme', 'acme', 'acme', 'globex', 'initech']) ask(tenant)
    const order = Array.from({ length: 6 }, () => {
      const [entered] = inside
      leaves()
      return entered?.tenant
    })
    expect(order).toEqual(['first', 'acme', 'globex', 'initech', 'acme', 'acme'])
  })

  it('grants each place once, and takes each back once', () => {
    const { own, ask, inside } = bench(2, 2)
    ask('acme')
    inside[0]?.leave()
    inside[0]?.leave()
    expect(own.inside()).toBe(0)
    ask('acme')
    ask('globex')
    expect(own.inside()).toBe(2)
  })

  it('forgets who gives up, and says so to who was granted already', () => {
    const { own, ask, leaves, inside } = bench(1, 4)
    ask('acme')
    const first = ask('globex')
    const second = ask('initech')
    expect(own.waiting()).toBe(2)
    if (first.kind === 'waiting') expect(first.giveUp()).toBe(true)
    leaves()
    expect(inside.map(({ tenant }) => tenant)).toEqual(['initech'])
    if (second.kind === 'waiting') expect(second.giveUp()).toBe(false)
    expect([own.inside(), own.waiting()]).toEqual([1, 0])
  })

  it('estimates from how long calls stay, and never says less than 100 ms', () => {
    const { own, clock, ask, leaves } = bench(2, 10)
    expect(own.paceMs()).toBe(100)
    for (let count = 0; count < 40; count += 1) {
      ask('acme')
      clock.advance(1_000)
      leaves()
    }
    expect(own.paceMs()).toBe(500)
  })
})
