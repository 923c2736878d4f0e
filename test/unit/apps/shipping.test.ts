import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { fileOutbox } from '../../../src/adapters/evidence-outbox-file.ts'
import type { FileEvidenceLogOptions } from '../../../src/adapters/evidence-log-file.ts'
import { shipping, type ShippingParts } from '../../../src/apps/shipping.ts'
import { evidenceTopics, topics } from '../../../src/evidence/ship.ts'
import type { BusRecord } from '../../../src/ports/bus.ts'
import { denial, openTestLog, temporary } from '../../support/evidence.ts'

const patience = { timeout: 30_000, interval: 10 }

/** Takes what it is given, or does not. */
function fakeBus() {
  const taken: BusRecord[] = []
  const bus = {
    taken,
    failing: undefined as Error | undefined,
    made: 0,
    ensure: async () => void (bus.made += 1),
    publish: async (records: readonly BusRecord[]) => {
      if (bus.failing) throw bus.failing
      taken.push(...records)
    },
    subscribe: () => Promise.reject(new Error('nobody listens')),
    close: () => Promise.resolve(),
  }
  return bus
}

const outboxOf = (directory: string) => fileOutbox({ directory, gateway: 'gw-1' })

function open(directory: string, more: Partial<ShippingParts> = {}) {
  const bus = fakeBus()
  const reports: string[] = []
  const carried = shipping({
    outbox: outboxOf(directory),
    bus,
    topics: evidenceTopics(3, 1),
    nowMs: () => Date.now(),
    sleep: () => new Promise((resolve) => setTimeout(resolve, 5)),
    report: ({ bus: line }) => reports.push(line),
    sent: () => undefined,
    ...more,
  })
  return { bus, reports, carried }
}

/** Every line that stands in the files, in the order of the streams. */
function written(directory: string): readonly string[] {
  const streams = join(directory, 'streams', 'gw-1')
  return readdirSync(streams)
    .filter((name) => name !== 'lock')
    .flatMap((stream) => readdirSync(join(streams, stream)).map((name) => join(streams, stream, name)))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(0, -1))
}

const values = (records: readonly BusRecord[], topic: string = topics.records) =>
  records.filter((record) => record.topic === topic).map(({ value }) => value.toString())

describe('evidence on its way to the bus', () => {
  const logIn = (directory: string, more: Partial<FileEvidenceLogOptions> = {}) =>
    openTestLog({ directory, segmentBytesMax: 4_096, ...more })

  it('arrives line by line as it stands in the files, over segments, streams and restarts', async () => {
    using place = temporary()
    const { directory } = place
    const taken: BusRecord[] = []
    for (const round of ['a', 'b']) {
      const log = await logIn(directory)
      const { bus, carried } = open(directory)
      carried.begin(log)
      for (let call = 0; call < 20; call++) await log.append(denial(`${round}${call}`))
      await log.close()
      await carried.close()
      taken.push(...bus.taken)
    }
    expect(values(taken)).toEqual(written(directory))
    expect(values(taken, topics.checkpoints)).toEqual(written(directory).filter((line) => line.startsWith('C')))
  })

  it('carries its stream as key, and in headers what routes it', async () => {
    using place = temporary()
    const log = await logIn(place.directory)
    const { bus, carried } = open(place.directory)
    carried.begin(log)
    const { stream, seq } = await log.append(denial('one'))
    await carried.shipped({ stream, seq })
    const record = bus.taken.find(({ headers }) => headers['seq'] === String(seq) && headers['type'] !== 'checkpoint')
    const { traceId, tenant, session } = denial('one')
    expect(record?.key).toBe(stream)
    expect(record?.headers).toEqual({
      type: 'call.decision',
      seq: String(seq),
      kid: expect.stringMatching(/^[0-9a-f]{64}$/),
      ...(traceId && { traceId }),
      ...(tenant && { tenant }),
      ...(session && { session }),
    })
    await log.close()
    await carried.close()
  })

  it('waits for the bus as long as it takes, and says so once', async () => {
    using place = temporary()
    const log = await logIn(place.directory)
    const { bus, carried, reports } = open(place.directory)
    bus.failing = new Error('nobody there')
    carried.begin(log)
    const receipt = await log.append(denial('one'))
    await vi.waitFor(() => expect(carried.state().problem).toBe('nobody there'), patience)
    await vi.waitFor(() => expect(carried.state().lagMs).toBeGreaterThan(20), patience)
    expect(await carried.behindBytes()).toBeGreaterThan(0)
    bus.failing = undefined
    await carried.shipped(receipt)
    await vi.waitFor(() => expect(carried.state()).toEqual({ lagMs: 0 }), patience)
    expect(await carried.behindBytes()).toBe(0)
    expect(reports).toEqual(['evidence waits to be carried on: nobody there'])
    await log.close()
    await carried.close()
    expect(values(bus.taken)).toEqual(written(place.directory))
  })

  it('ends when it is told to, also while the bus is away, and the next start loses nothing', async () => {
    using place = temporary()
    const log = await logIn(place.directory)
    const { bus, carried } = open(place.directory)
    carried.begin(log)
    await carried.shipped(await log.append(denial('one')))
    bus.failing = new Error('nobody there')
    for (let call = 0; call < 20; call++) await log.append(denial(`later ${call}`))
    await log.close()
    await carried.close()
    const again = await logIn(place.directory)
    const second = open(place.directory)
    second.carried.begin(again)
    await again.close()
    await second.carried.close()
    expect([...new Set([...values(bus.taken), ...values(second.bus.taken)])]).toEqual(written(place.directory))
  })

  it('shows nobody what is not durable', async () => {
    using place = temporary()
    const log = await logIn(place.directory)
    const { bus, carried } = open(place.directory)
    carried.begin(log)
    await carried.shipped(await log.append(denial('one')))
    const before = values(bus.taken).length
    const streams = join(place.directory, 'streams', 'gw-1')
    const file = join(streams, log.stream, 'seg-00000001.log')
    const line =
      readFileSync(file, 'utf8')
        .split('\n')
        .findLast((one) => one.startsWith('{')) ?? ''
    // As bytes stand that were written and not flushed.
    writeFileSync(file, `${line.replace(/"seq":\d+/, '"seq":999')}\n`, { flag: 'a' })
    await log.append(denial('two'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(values(bus.taken).filter((one) => one.includes('"seq":999'))).toEqual([])
    expect(values(bus.taken).length).toBe(before)
    await log.close()
    await carried.close()
  })

  it('goes on with the next stream when one failed, without what it told nobody', async () => {
    using place = temporary()
    const log = await logIn(place.directory, { keyLifeMs: 60_000 })
    const { bus, carried } = open(place.directory)
    carried.begin(log)
    await log.append(denial('one'))
    await log.close()
    await carried.close()
    const file = join(place.directory, 'streams', 'gw-1', log.stream, 'seg-00000001.log')
    writeFileSync(file, 'torn', { flag: 'a' })
    const again = await logIn(place.directory)
    const second = open(place.directory)
    second.carried.begin(again)
    const receipt = await again.append(denial('two'))
    await second.carried.shipped(receipt)
    expect(values([...bus.taken, ...second.bus.taken])).not.toContain('torn')
    expect(second.bus.taken.every(({ key }) => key === again.stream)).toBe(true)
    await again.close()
    await second.carried.close()
  })

  it('begins anew, without harm, when its mark is lost or means nothing', async () => {
    using place = temporary()
    const log = await logIn(place.directory)
    const { carried } = open(place.directory)
    carried.begin(log)
    await log.append(denial('one'))
    await log.close()
    await carried.close()
    writeFileSync(join(place.directory, 'shipped', 'gw-1.json'), '{"stream":"../../etc"}')
    const again = await logIn(place.directory)
    const { bus, carried: second } = open(place.directory)
    second.begin(again)
    await again.close()
    await second.close()
    expect(values(bus.taken)).toEqual(written(place.directory))
  })
})
