import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { fileOutbox, type Cursor } from '../../../src/adapters/evidence-outbox-file.ts'
import { nodeFiles, type Files } from '../../../src/adapters/files.ts'
import type { FileEvidenceLogOptions } from '../../../src/adapters/evidence-log-file.ts'
import { shipping, type ShippingParts } from '../../../src/apps/shipping.ts'
import { evidenceTopics, packer, topics } from '../../../src/evidence/ship.ts'
import type { BusRecord } from '../../../src/ports/bus.ts'
import type { Receipt } from '../../../src/ports/evidence-log.ts'
import { testClock } from '../../support/clock.ts'
import { denial, openTestLog, temporary } from '../../support/evidence.ts'
import { until } from '../../support/until.ts'

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
    // Fast between attempts; as long as asked when it says goodbye.
    sleep: (ms, signal) => setTimeout(ms === 5_000 ? ms : 5, undefined, { signal }).catch(() => undefined),
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

describe('the lines of a stream', () => {
  it('are packed up to the last that is durable, and no further', async () => {
    using place = temporary()
    const log = await openTestLog({ directory: place.directory })
    for (const name of ['a', 'b', 'c']) await log.append(denial(name))
    await log.close()
    const lines = written(place.directory).map((line) => Buffer.from(line))
    const { pack } = packer(log.stream, 'kid')
    const records = lines.filter((line) => line[0] === 0x7b).length
    for (let durable = 0; durable <= records; durable++) {
      const { lines: taken, size } = pack(lines, durable)
      expect(size).toBe(durable)
      expect(lines.slice(0, taken).filter((line) => line[0] === 0x7b)).toHaveLength(durable)
    }
    expect(pack(lines, Number.MAX_SAFE_INTEGER).lines).toBe(lines.length)
    expect(pack(lines, records).lines).toBe(lines.length)
  })
})

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

  it('carries what is damaged as it stands, once something after it is durable', async () => {
    using place = temporary()
    const log = await logIn(place.directory, { segmentBytesMax: 1_000_000 })
    const { bus, carried } = open(place.directory)
    carried.begin(log)
    await carried.shipped(await log.append(denial('one')))
    const file = join(place.directory, 'streams', 'gw-1', log.stream, 'seg-00000001.log')
    writeFileSync(file, '{"seq":999}\t\nno line at all\n', { flag: 'a' })
    await carried.shipped(await log.append(denial('two')))
    await log.close()
    await carried.close()
    expect(values(bus.taken)).toEqual(written(place.directory))
    expect(values(bus.taken)).toContain('no line at all')
  })

  it('wakes up for what comes after a rest', async () => {
    using place = temporary()
    const log = await logIn(place.directory)
    const reads = { count: 0 }
    const real = outboxOf(place.directory)
    const outbox = { ...real, next: (at: Cursor) => ((reads.count += 1), real.next(at)) }
    const { carried } = open(place.directory, { outbox })
    carried.begin(log)
    await carried.shipped(await log.append(denial('one')))
    // It looks for a next place once it has found nothing more, and then rests.
    await until(() => reads.count > 0)
    await setTimeout(20)
    await carried.shipped(await log.append(denial('two')))
    await log.close()
    await carried.close()
  })

  it('leaves nothing behind that became durable while it looked for the next stream', async () => {
    using place = temporary()
    const clock = testClock()
    const log = await logIn(place.directory, { clock, keyLifeMs: 60_000, segmentBytesMax: 1_000_000 })
    const real = outboxOf(place.directory)
    const later = Promise.withResolvers<Receipt>()
    let asked = false
    const next = async (at: Cursor) => {
      if (asked) return real.next(at)
      asked = true
      await log.append(denial('late'))
      clock.advance(120_000)
      later.resolve(await log.append(denial('in the next stream')))
      return real.next(at)
    }
    const { bus, carried } = open(place.directory, { outbox: { ...real, next } })
    carried.begin(log)
    await log.append(denial('one'))
    await carried.shipped(await later.promise)
    await log.close()
    await carried.close()
    expect(values(bus.taken)).toEqual(written(place.directory))
  })

  it('carries of an earlier process no more than the stream after it says was durable', async () => {
    using place = temporary()
    const first = await logIn(place.directory, { segmentBytesMax: 1_000_000 })
    await first.append(denial('one'))
    await first.close()
    const log = await logIn(place.directory)
    const file = join(place.directory, 'streams', 'gw-1', first.stream, 'seg-00000001.log')
    const record =
      readFileSync(file, 'utf8')
        .split('\n')
        .findLast((line) => line.startsWith('{')) ?? ''
    const surplus = record.replace(/"seq":\d+/, '"seq":4711')
    writeFileSync(file, `${surplus}\n`, { flag: 'a' })
    const { bus, carried } = open(place.directory)
    carried.begin(log)
    await carried.shipped(await log.append(denial('two')))
    await log.close()
    await carried.close()
    expect(surplus).toContain('"seq":4711')
    expect(values(bus.taken)).toEqual(written(place.directory).filter((line) => line !== surplus))
  })

  it('is not held up by a stream whose very beginning is damaged', async () => {
    using place = temporary()
    const first = await logIn(place.directory)
    await first.close()
    const file = join(place.directory, 'streams', 'gw-1', first.stream, 'seg-00000001.log')
    const log = await logIn(place.directory)
    writeFileSync(file, readFileSync(file, 'utf8').replace('{', '!').replace('"key.introduce"', '"key.introduce'))
    const { bus, carried } = open(place.directory)
    carried.begin(log)
    await carried.shipped(await log.append(denial('two')))
    await log.close()
    await carried.close()
    expect(values(bus.taken)).toEqual(written(place.directory))
  })

  it('follows a log to its next stream when keys grow old, and when a disk fails', async () => {
    using place = temporary()
    const clock = testClock()
    const failing = { now: false }
    const files: Files = {
      ...nodeFiles(),
      async create(file) {
        const handle = await nodeFiles().create(file)
        const datasync = () => (failing.now ? Promise.reject(new Error('EIO')) : handle.datasync())
        return { write: (bytes) => handle.write(bytes), datasync, close: () => handle.close() }
      },
    }
    const log = await logIn(place.directory, { clock, files, keyLifeMs: 60_000, reopenMs: 0 })
    const { bus, carried } = open(place.directory)
    carried.begin(log)
    await log.append(denial('one'))
    clock.advance(120_000)
    await log.append(denial('two'))
    const second = log.stream
    failing.now = true
    await expect(log.append(denial('told to nobody'))).rejects.toThrow()
    failing.now = false
    await carried.shipped(await log.append(denial('three')))
    expect(log.stream).not.toBe(second)
    await log.close()
    await carried.close()
    const unacknowledged = written(place.directory).filter((line) => line.includes('req-told to nobody'))
    expect(unacknowledged).toHaveLength(1)
    const carriedLines = values(bus.taken)
    expect(carriedLines.filter((line) => line.includes('req-told'))).toEqual([])
    for (const name of ['one', 'two', 'three'])
      expect(carriedLines.filter((line) => line.includes(`"req":"req-${name}"`))).toHaveLength(1)
    expect(new Set(bus.taken.map(({ key }) => key)).size).toBe(3)
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
