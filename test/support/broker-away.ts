import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startBroker, type Broker } from '../../scripts/kafka/broker.ts'
import { topics } from '../../src/evidence/ship.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import type { Bus, Delivered } from '../../src/ports/bus.ts'
import { verifyEvidence } from '../../src/apps/verify.ts'
import { openTestGateway, type Caller, type TestGateway } from './gateway.ts'

export interface AwayOptions {
  readonly driver: string
  /** How long the broker is away, s, and calls per second meanwhile. */
  readonly awayS: number
  readonly perS: number
  /** A client of the broker that reads. */
  readonly open: (address: string) => Promise<Bus>
}

/** P5: the broker goes, calls go on, the broker comes back, and has every line of evidence, in the order of its stream. */
export function brokerAway(title: string, { driver, awayS, perS, open }: AwayOptions, skip: boolean): void {
  describe.skipIf(skip)(title, () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluicegate-broker-away-'))
    let broker: Broker
    let gate: TestGateway
    let reader: Bus
    beforeAll(async () => {
      broker = await startBroker({ directory: join(directory, 'kafka') })
      const bus = { kind: 'kafka', driver, brokers: [broker.address] }
      gate = await openTestGateway({ data: join(directory, 'data'), over: { bus } })
      reader = await open(broker.address)
    })
    afterAll(async () => {
      await gate?.close()
      await reader?.close()
      await broker?.stop()
      rmSync(directory, { recursive: true, force: true })
    })

    it(
      'loses no line of evidence, keeps the order of its stream, and keeps no call waiting',
      async () => {
        const delivered: Delivered[] = []
        const calls = pace(gate, perS)
        await calls.during(2)
        await broker.kill()
        const before = calls.ended()
        await calls.during(awayS)
        expect(calls.ended() - before, 'calls that ended while the broker was away').toBeGreaterThan(awayS)
        expect(gate.started.gateway.carried?.state().problem).toBeDefined()
        await broker.start()
        await calls.during(2)
        expect(await calls.over(), 'calls that were refused').toEqual([])

        const settled = () => gate.started.gateway.carried!.behindBytes()
        await vi.waitFor(async () => expect(await settled()).toBe(0), { timeout: 180_000, interval: 200 })
        const data = gate.data
        await gate.close()
        const subscription = await reader.subscribe({
          group: 'laws',
          topics: [topics.records],
          handle: async (some) => void delivered.push(...some),
        })
        await vi.waitFor(async () => expect(await subscription.lag()).toBe(0n), { timeout: 120_000, interval: 200 })
        await subscription.close()

        const written = linesOf(data)
        const lines = delivered.map(({ value }) => value.toString())
        expect([...new Set(lines)]).toEqual(written)
        expect(written.length).toBeGreaterThan(awayS)
        process.stdout.write(
          `${title}: ${calls.ended()} calls, ${written.length} lines, ${lines.length - written.length} twice\n`,
        )
        expect(await verifyEvidence({ path: data })).toMatchObject({ problems: [] })
      },
      600_000 + awayS * 2_000,
    )
  })
}

/** Calls at a steady rate, none waiting for another. */
function pace(gate: TestGateway, perS: number) {
  const under = new Set<Promise<void>>()
  const refused: string[] = []
  let ended = 0
  let made = 0
  function begin(): void {
    const day = new Date(Date.UTC(2000, 0, 1 + made++)).toISOString().slice(0, 10)
    const as = { sub: `agent:reader-${made % 50}`, tenant: 'acme', grants: ['orders.read'] }
    const one = judged({ from: day, to: day }, as).finally(() => under.delete(one))
    under.add(one)
  }
  async function judged(args: JsonObject, as: Caller): Promise<void> {
    const { ended: how, text } = await gate.call('orders.export', args, { as })
    ended += 1
    if (how !== 'ok') refused.push(text)
  }
  return {
    ended: () => ended,
    async during(seconds: number): Promise<void> {
      const untilMs = Date.now() + seconds * 1_000
      while (Date.now() < untilMs) {
        begin()
        await wait(1_000 / perS)
      }
    },
    async over(): Promise<readonly string[]> {
      await Promise.all(under)
      return refused
    },
  }
}

/** Every line in the segments of a data directory, in the order of streams. */
function linesOf(data: string): readonly string[] {
  const root = join(data, 'streams')
  return readdirSync(root).flatMap((gateway) =>
    readdirSync(join(root, gateway))
      .filter((name) => name !== 'lock')
      .flatMap((stream) => readdirSync(join(root, gateway, stream)).map((name) => join(root, gateway, stream, name)))
      .flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(0, -1)),
  )
}
