import type { Cursor, Outbox, Piece } from '../adapters/evidence-outbox-file.ts'
import { parseLine } from '../evidence/chain.ts'
import { readRecord } from '../evidence/dangling.ts'
import type { EvidenceRecord } from '../evidence/record.ts'
import { packer, type Packer, type Shipment } from '../evidence/ship.ts'
import type { Bus, TopicPlan } from '../ports/bus.ts'
import type { EvidenceLog, Receipt } from '../ports/evidence-log.ts'

/** How the bus is doing, as operators need to know it. */
export interface ShippingState {
  /** Why nothing gets through, or undefined. */
  readonly problem?: string
  /** How long durable records have waited for the bus, milliseconds; while nothing gets through, since when. */
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
  const marks = durableMarks(nowMs)
  const arrivals = arrivalBoard()
  let wake = Promise.withResolvers<void>()
  let trouble: { readonly why: string; readonly sinceMs: number } | undefined
  let oldestMs: number | undefined
  let cursor: Cursor | undefined
  let packing: { readonly stream: string; readonly packer: Packer; readonly pinned: number } | undefined
  let topicsMade = false
  let running: Promise<void> = Promise.resolve()

  async function run(): Promise<void> {
    for (let failures = 0; ;)
      try {
        wake = Promise.withResolvers()
        const moved = await step()
        ;[failures, trouble] = [0, undefined]
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
    if (trouble === undefined) parts.report({ level: 'warn', bus: `evidence waits to be carried on: ${why}` })
    trouble = { why, sinceMs: trouble?.sinceMs ?? nowMs() }
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
    const pieces = await outbox.read(at)
    if (pieces.length === 0) return undefined
    const { packer: own, pinned } = await packingOf(at.stream)
    const lines = pieces.map(({ bytes }) => bytes)
    const shipment = own.pack(lines, marks.durable(at.stream) ?? pinned)
    if (shipment.lines === 0) return undefined
    const sizeBytes = pieces.slice(0, shipment.lines).reduce((sum, piece) => sum + piece.sizeBytes, 0)
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
    marks.arrived(at.stream, shipment.size)
    arrivals.arrived(at.stream, shipment.size)
    parts.sent(shipment.lines)
    await outbox.save(cursor).catch(unsaved)
  }

  /** What is sent again after the next start is dropped by whoever reads. */
  const unsaved = (error: Error) =>
    parts.report({ level: 'warn', bus: `how far evidence was carried cannot be saved: ${error.message}` })

  async function packingOf(stream: string) {
    if (packing?.stream === stream) return packing
    const kid = kidOf(await outbox.read({ stream, segment: 1, offset: 0 }))
    const found = { stream, packer: packer(stream, kid), pinned: await pinnedSize(stream) }
    // The opening of a stream may be on its way to the disk: then its key is looked for again.
    if (kid !== '') packing = found
    return found
  }

  /** Of a stream of an earlier process its successor says how much was durable; none of this process needs that. */
  async function pinnedSize(stream: string): Promise<number> {
    if (marks.isOwn(stream)) return 0
    const next = await outbox.following(stream)
    const opening = next === undefined ? [] : await outbox.read({ stream: next, segment: 1, offset: 0 })
    const { id, size } = (recordIn(opening[0])?.ext?.['prevStream'] ?? {}) as {
      readonly id?: string
      readonly size?: number
    }
    return id === stream && Number.isSafeInteger(size) ? (size as number) : Number.MAX_SAFE_INTEGER
  }

  return {
    begin(log) {
      marks.follow(log, () => wake.resolve())
      running = run()
    },
    state() {
      const since = [trouble?.sinceMs, oldestMs, marks.pendingSinceMs()].filter((ms) => ms !== undefined)
      const lagMs = since.length === 0 ? 0 : Math.max(0, nowMs() - Math.min(...since))
      return { ...(trouble && { problem: trouble.why }), lagMs }
    },
    behindBytes: async () => (cursor === undefined ? 0 : outbox.behind(cursor)),
    shipped: arrivals.wait,
    async close() {
      closing.abort()
      wake.resolve()
      const over = new AbortController()
      await Promise.race([running, parts.sleep(farewellMs, over.signal)])
      over.abort()
      await bus.close()
    },
  }
}

interface Packed {
  readonly shipment: Shipment
  /** Of its lines, LF included. */
  readonly sizeBytes: number
}

/** How many records of each stream of this process are durable, and since when some of them wait. */
function durableMarks(nowMs: () => number) {
  const sizes = new Map<string, number>()
  let own: string | undefined
  let newest = { stream: '', size: 0 }
  let pendingSinceMs: number | undefined
  return {
    /** Streams from this one on are written by this process: of them only what the log tells is durable. */
    follow(log: EvidenceLog, told: () => void): void {
      own = log.stream
      log.follow(({ stream, seq }) => {
        newest = { stream, size: seq + 1 }
        sizes.set(stream, seq + 1)
        pendingSinceMs ??= nowMs()
        told()
      })
    },
    isOwn: (stream: string): boolean => own === undefined || stream >= own,
    /** Undefined for a stream of an earlier process. */
    durable: (stream: string): number | undefined =>
      sizes.get(stream) ?? (own !== undefined && stream < own ? undefined : 0),
    /** While records come all the time some always wait: the newest that has arrived tells that those before it have. */
    arrived(stream: string, size: number): void {
      const isAll = stream === newest.stream && size >= newest.size
      if (stream >= (own ?? '')) pendingSinceMs = isAll ? undefined : nowMs()
    },
    pendingSinceMs: () => pendingSinceMs,
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

/** The key that signs a stream's records, or its checkpoints where records are not signed; empty where that cannot be read. */
function kidOf(pieces: readonly Piece[]): string {
  const introduced = pieces.map(recordIn).filter((record) => record?.type === 'key.introduce')
  const one = introduced.find((record) => record?.ext?.['purpose'] === 'record') ?? introduced[0]
  const kid = one?.ext?.['kid']
  return typeof kid === 'string' ? kid : ''
}

function recordIn(piece: Piece | undefined): EvidenceRecord | undefined {
  const parsed = piece && parseLine(piece.bytes)
  return parsed?.kind === 'record' ? readRecord(parsed.text) : undefined
}
