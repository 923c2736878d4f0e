import type { Cursor, Outbox } from '../adapters/evidence-outbox-file.ts'
import { parseLine } from '../evidence/chain.ts'
import type { EvidenceRecord } from '../evidence/record.ts'
import { packer, type Packer, type Shipment } from '../evidence/ship.ts'
import type { Bus, TopicPlan } from '../ports/bus.ts'
import type { EvidenceLog, Receipt } from '../ports/evidence-log.ts'

/** How the bus is doing, as operators need to know it. */
export interface ShippingState {
  /** Why nothing gets through, or undefined. */
  readonly problem?: string
  /** Age of the oldest durable record that the bus does not have, milliseconds. */
  readonly lagMs: number
}

/** Carries durable evidence on to the bus, for as long as it takes. */
export interface Shipping {
  /** Begins to carry what this log makes durable, and what earlier processes left. Call it once. */
  begin(log: EvidenceLog): void
  state(): ShippingState
  /** Bytes of evidence that the bus does not have. */
  behindBytes(): Promise<number>
  /** Resolves when the bus has the record. Never rejects: who waits decides for how long. */
  shipped(receipt: Pick<Receipt, 'stream' | 'seq'>): Promise<void>
  /** Carries on what is durable now, for a few seconds at most, then stops; the next start goes on from there. */
  close(): Promise<void>
}

export interface ShippingParts {
  readonly outbox: Outbox
  readonly bus: Bus
  /** Topics to make before the first record; none where the operator makes them. */
  readonly topics: readonly TopicPlan[]
  readonly nowMs: () => number
  /** Ends early when it is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly report: (line: { readonly level: 'info' | 'warn'; readonly bus: string }) => void
  /** Hears how many records the bus took. */
  readonly sent: (records: number) => void
}

/** Longest wait between two attempts, ms. */
const backoffMaxMs = 30_000

/** How long a close waits for what is still on its way, ms. */
const farewellMs = 5_000

/**
 * Carries a gateway's segments to the bus, in order, at least once. What the bus refuses is tried for ever, whatever it
 * says: a driver calls errors final that a restarted broker mends. Nothing waits for it, except who asks `shipped`.
 */
export function shipping(parts: ShippingParts): Shipping {
  const { outbox, bus, nowMs } = parts
  const closing = new AbortController()
  const marks = durableMarks()
  const arrivals = arrivalBoard()
  let wake = Promise.withResolvers<void>()
  let problem: string | undefined
  let oldestMs: number | undefined
  let cursor: Cursor | undefined
  let packing: { readonly stream: string; readonly packer: Packer } | undefined
  let topicsMade = false
  let stopAtMs = Number.POSITIVE_INFINITY
  let running: Promise<void> = Promise.resolve()

  async function run(): Promise<void> {
    for (let failures = 0; nowMs() < stopAtMs;)
      try {
        wake = Promise.withResolvers()
        const moved = await step()
        ;[failures, problem] = [0, undefined]
        if (moved) continue
        oldestMs = undefined
        if (closing.signal.aborted) return
        await wake.promise
      } catch (error) {
        failing((error as Error).message)
        if (closing.signal.aborted) return
        await parts.sleep(Math.min(backoffMaxMs, 250 * 2 ** Math.min(failures++, 10)), closing.signal)
      }
  }

  function failing(why: string): void {
    if (problem === undefined) parts.report({ level: 'warn', bus: `evidence waits to be carried on: ${why}` })
    problem = why
  }

  /** Carries on one chunk, or moves to the next segment. False when there is nothing to carry. */
  async function step(): Promise<boolean> {
    cursor ??= await outbox.start()
    if (cursor === undefined) return false
    const packed = (await pack(cursor)) ?? (await packAgainOrMove(cursor))
    if (packed === undefined) return false
    if (packed !== 'moved') await carry(cursor, packed)
    return true
  }

  /** What there is to carry at a cursor; undefined for nothing, be it that nothing is there or that it is not durable yet. */
  async function pack(at: Cursor): Promise<Packed | undefined> {
    const lines = await outbox.read(at)
    if (lines.length === 0) return undefined
    const shipment = (await packerOf(at.stream)).pack(lines, marks.durable(at.stream))
    if (shipment.lines === 0) return undefined
    const sizeBytes = lines.slice(0, shipment.lines).reduce((sum, { length }) => sum + length + 1, 0)
    return { shipment, sizeBytes }
  }

  /** Once there is a next place nothing is added here: what is not durable by then was told to nobody and never will be. */
  async function packAgainOrMove(at: Cursor): Promise<Packed | 'moved' | undefined> {
    const next = await outbox.next(at)
    if (next === undefined) return undefined
    const late = await pack(at)
    if (late !== undefined) return late
    cursor = next
    marks.forgetBefore(next.stream)
    return 'moved'
  }

  async function carry(at: Cursor, { shipment, sizeBytes }: Packed): Promise<void> {
    oldestMs = shipment.oldestMs ?? oldestMs
    if (!topicsMade) await bus.ensure(parts.topics)
    topicsMade = true
    await bus.publish(shipment.records)
    cursor = { ...at, offset: at.offset + sizeBytes }
    arrivals.arrived(at.stream, shipment.nextSeq)
    parts.sent(shipment.lines)
    await outbox.save(cursor)
  }

  async function packerOf(stream: string): Promise<Packer> {
    if (packing?.stream !== stream)
      packing = { stream, packer: packer(stream, kidOf(await outbox.read({ stream, segment: 1, offset: 0 }))) }
    return packing.packer
  }

  return {
    begin(log) {
      marks.follow(log, () => wake.resolve())
      running = run()
    },
    state: () => ({
      ...(problem !== undefined && { problem }),
      lagMs: oldestMs === undefined ? 0 : Math.max(0, nowMs() - oldestMs),
    }),
    behindBytes: async () => (cursor === undefined ? 0 : outbox.behind(cursor)),
    shipped: arrivals.wait,
    async close() {
      stopAtMs = nowMs() + farewellMs
      closing.abort()
      wake.resolve()
      await running
      await bus.close()
    },
  }
}

interface Packed {
  readonly shipment: Shipment
  /** Of its lines, LF included. */
  readonly sizeBytes: number
}

/** How many records of each stream are durable. */
function durableMarks() {
  const sizes = new Map<string, number>()
  let own: string | undefined
  return {
    /** Streams from this one on are written by this process: of them only what the log tells is durable. */
    follow(log: EvidenceLog, told: () => void): void {
      own = log.stream
      log.follow(({ stream, seq }) => {
        sizes.set(stream, seq + 1)
        told()
      })
    },
    /** A stream of an earlier process is durable as it stands: recovery has cut what was not. */
    durable: (stream: string): number =>
      sizes.get(stream) ?? (own !== undefined && stream < own ? Number.MAX_SAFE_INTEGER : 0),
    forgetBefore(stream: string): void {
      for (const older of sizes.keys()) if (older < stream) sizes.delete(older)
    },
  }
}

/** Who waits for a record to arrive. */
function arrivalBoard() {
  type Place = Pick<Receipt, 'stream' | 'seq'>
  const waiting = new Set<Place & { readonly resolve: () => void }>()
  let reached = { stream: '', size: 0 }
  const isReached = ({ stream, seq }: Place): boolean =>
    stream === reached.stream ? seq < reached.size : stream < reached.stream
  return {
    arrived(stream: string, size: number): void {
      reached = { stream, size: Math.max(size, stream === reached.stream ? reached.size : 0) }
      for (const one of waiting) if (isReached(one) && waiting.delete(one)) one.resolve()
    },
    wait: (place: Place): Promise<void> =>
      isReached(place) ? Promise.resolve() : new Promise((resolve) => waiting.add({ ...place, resolve })),
  }
}

/** The key that signs a stream's records, or its checkpoints where records are not signed. */
function kidOf(lines: readonly Buffer[]): string {
  const introduced = lines.flatMap((line) => {
    const parsed = parseLine(line)
    const record = parsed.kind === 'record' ? (JSON.parse(parsed.text) as EvidenceRecord) : undefined
    return record?.type === 'key.introduce' ? [record.ext as { readonly kid: string; readonly purpose: string }] : []
  })
  return (introduced.find(({ purpose }) => purpose === 'record') ?? introduced[0])?.kid ?? ''
}
