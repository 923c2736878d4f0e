import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { UnknownTopic, type Bus, type Delivered, type Subscription, type TopicPlan } from '../../src/ports/bus.ts'

/** A bus to try, and how to open more connections to the same one. */
export interface BusBench {
  /** One more client of the bus, closed by who asked. */
  open(): Promise<Bus>
  close(): Promise<void>
}

const textOf = ({ value }: { readonly value: Buffer }) => value.toString()

const patience = { timeout: 60_000, interval: 50 }

/** What every bus promises. */
export function busLaws(name: string, bench: () => Promise<BusBench>, skip = false): void {
  describe.skipIf(skip)(`Bus: ${name}`, () => {
    let under: BusBench
    let bus: Bus
    const open: Subscription[] = []
    beforeAll(async () => {
      under = await bench()
      bus = await under.open()
    })
    afterAll(async () => {
      await Promise.allSettled(open.map((subscription) => subscription.close()))
      await bus?.close()
      await under?.close()
    })

    const topic = async (partitions = 3): Promise<string> => {
      const plan: TopicPlan = { name: `t-${randomBytes(4).toString('hex')}`, partitions, replicas: 1, settings: {} }
      await bus.ensure([plan])
      return plan.name
    }
    const records = (to: string, key: string, from: number, many: number) =>
      Array.from({ length: many }, (_, index) => ({
        topic: to,
        key,
        value: Buffer.from(`${key}:${from + index}`),
        headers: { seq: `${from + index}` },
      }))
    /** Subscribes and keeps what arrives. */
    const listen = async (to: string, handle?: (some: readonly Delivered[]) => Promise<void>, group = `g-${to}`) => {
      const seen: Delivered[] = []
      const subscription = await bus.subscribe({
        group,
        topics: [to],
        handle: async (some) => {
          await handle?.(some)
          seen.push(...some)
        },
      })
      open.push(subscription)
      return { seen, subscription }
    }
    const texts = (seen: readonly Delivered[], key: string) =>
      seen.filter((one) => one.key === key).map(({ value }) => value.toString())

    it('delivers ten thousand records, each key in its order, and none is missing', async () => {
      const to = await topic()
      const keys = ['a', 'b', 'c', 'd', 'e']
      const { seen } = await listen(to)
      for (let from = 0; from < 2_000; from += 100)
        await bus.publish(keys.flatMap((key) => records(to, key, from, 100)))
      await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(10_000), patience)
      for (const key of keys) expect([...new Set(texts(seen, key))]).toEqual(records(to, key, 0, 2_000).map(textOf))
    })

    it('gives back bytes, keys and headers as they were', async () => {
      const to = await topic()
      const values = [Buffer.alloc(0), Buffer.from([0, 255, 10, 13, 9]), randomBytes(65_535), randomBytes(600_000)]
      const { seen } = await listen(to)
      for (const value of values)
        await bus.publish([{ topic: to, key: 'é✓', value, headers: { trace: 'ü', none: '' } }])
      await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(values.length), patience)
      expect(seen.map(({ value }) => value.equals(values.shift() ?? Buffer.from('?')))).toEqual([
        true,
        true,
        true,
        true,
      ])
      expect(seen.map(({ key, headers }) => ({ key, headers }))).toEqual(
        seen.map(() => ({ key: 'é✓', headers: { trace: 'ü', none: '' } })),
      )
    })

    it('says which topic is missing, and makes none by itself', async () => {
      const missing = `missing-${randomBytes(4).toString('hex')}`
      const publish = () => bus.publish(records(missing, 'a', 0, 1))
      await expect(publish()).rejects.toThrow(new UnknownTopic(missing))
      await expect(publish()).rejects.toThrow(UnknownTopic)
    })

    it('leaves a topic that is there as it is', async () => {
      const to = await topic(2)
      await bus.publish(records(to, 'a', 0, 1))
      await bus.ensure([{ name: to, partitions: 5, replicas: 1, settings: {} }])
      const { seen } = await listen(to)
      await vi.waitFor(() => expect(texts(seen, 'a')).toEqual(['a:0']), patience)
    })

    it('delivers again what a handler rejected, and nothing of its key before that', async () => {
      const to = await topic(1)
      let failures = 2
      const { seen } = await listen(to, async () => {
        if (failures-- > 0) throw new Error('not now')
      })
      await bus.publish(records(to, 'a', 0, 20))
      await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(20), patience)
      expect([...new Set(texts(seen, 'a'))]).toEqual(records(to, 'a', 0, 20).map(textOf))
      expect(failures).toBeLessThan(1)
    })

    it('goes on where the group has got to, when all of it ended meanwhile', async () => {
      const to = await topic(1)
      const first = await listen(to)
      await bus.publish(records(to, 'a', 0, 10))
      await vi.waitFor(() => expect(first.seen).toHaveLength(10), patience)
      await first.subscription.close()
      await bus.publish(records(to, 'a', 10, 10))
      const second = await listen(to)
      await vi.waitFor(() => expect(second.seen.length).toBeGreaterThanOrEqual(10), patience)
      expect(texts(second.seen, 'a')).toEqual(records(to, 'a', 10, 10).map(textOf))
      expect(first.seen).toHaveLength(10)
    })

    it('handles nothing while it is paused, knows how far it is behind, and goes on where it was', async () => {
      const to = await topic(1)
      const { seen, subscription } = await listen(to)
      await bus.publish(records(to, 'a', 0, 5))
      await vi.waitFor(() => expect(seen).toHaveLength(5), patience)
      await vi.waitFor(async () => expect(await subscription.lag()).toBe(0n), patience)
      subscription.pause()
      await bus.publish(records(to, 'a', 5, 7))
      await vi.waitFor(async () => expect(await subscription.lag()).toBe(7n), patience)
      expect(seen).toHaveLength(5)
      subscription.resume()
      await vi.waitFor(() => expect(seen).toHaveLength(12), patience)
      expect(texts(seen, 'a')).toEqual(records(to, 'a', 0, 12).map(textOf))
      await vi.waitFor(async () => expect(await subscription.lag()).toBe(0n), patience)
    })

    it('loses nothing while members join and leave', async () => {
      const to = await topic(6)
      const group = `g-${to}`
      const members = [await listen(to, undefined, group)]
      for (let round = 0; round < 6; round++) {
        await bus.publish(['a', 'b', 'c', 'd', 'e', 'f', 'g'].flatMap((key) => records(to, key, round * 20, 20)))
        if (round === 1 || round === 2) members.push(await listen(to, undefined, group))
        if (round === 4) await members[0]?.subscription.close()
      }
      const seen = () => new Set(members.flatMap((member) => member.seen.map(({ value }) => value.toString())))
      await vi.waitFor(() => expect(seen().size).toBe(7 * 120), { ...patience, timeout: 120_000 })
    })

    it('has handled what it began to handle, and committed it, when it is closed', async () => {
      const to = await topic(1)
      const gate = Promise.withResolvers<void>()
      const began = Promise.withResolvers<void>()
      const { seen, subscription } = await listen(to, async () => {
        began.resolve()
        await gate.promise
      })
      await bus.publish(records(to, 'a', 0, 3))
      await began.promise
      const closed = subscription.close()
      gate.resolve()
      await closed
      const handled = seen.length
      expect(handled).toBeGreaterThan(0)
      const { seen: rest } = await listen(to)
      await bus.publish(records(to, 'a', 3, 1))
      await vi.waitFor(() => expect(texts(rest, 'a')).toContain('a:3'), patience)
      expect(texts(rest, 'a')).toEqual(records(to, 'a', handled, 4 - handled).map(textOf))
    })
  })
}
