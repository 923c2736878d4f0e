import type { KeyObject } from 'node:crypto'
import { leafHash, pae, parseLine, payloadType } from './chain.ts'
import { checkpointHolds, originOf, parseNote } from './checkpoint.ts'
import { readRecord } from './dangling.ts'
import type { Intent, LifeEvent } from './dangling.ts'
import { checkDelegation } from './delegation.ts'
import type { Genesis, Pinned } from './genesis.ts'
import type { Line, Place } from './lines.ts'
import { appendLeaf, rootOf } from './merkle.ts'
import { publicKeyOf, signatureHolds } from './signature.ts'
import { startTip, streamFold } from './stream-fold.ts'
import type { Batch, Fold, HeldRecord, Opening, Tip } from './stream-fold.ts'

/*
 * What a new process may believe of the stream its predecessor left.
 *
 * Only one batch is ever in flight, so only the last one can be torn: everything up to the last checkpoint that holds
 * stays, and after it, where records carry signatures, each record up to the first that does not fit. What is damaged
 * further back was acknowledged once and no crash explains it: it is reported, and left as it lies.
 */

/** What one stream holds, judged from its lines alone. */
export interface Scan {
  readonly stream: string
  readonly opening: Opening
  readonly prevStream?: Pinned
  /** A checkpoint covers the opening records, so a resumed stream has settled every dangling intent of older ones. */
  readonly opened: boolean
  /** What stays. */
  readonly kept: { readonly size: number; readonly root: string }
  /** Where the torn tail begins, when there is one. */
  readonly cut?: Place
  /** Damage that no killed process explains. With a `cut` it lies in the last batch; without one nothing may be repaired. */
  readonly problem?: string
  /** Intents and ends among the kept records, in order. */
  readonly events: readonly LifeEvent[]
}

/** A stream, and the deployment keys that may vouch for its keys (kid to 32 raw bytes). */
export interface ScanOptions {
  readonly stream: string
  readonly trusted: ReadonlyMap<string, Uint8Array>
}

/** Reads one stream to its end. Checks the signatures of its last two checkpoints and of the records after them. */
export async function scanStream(lines: AsyncIterable<Line>, options: ScanOptions): Promise<Scan> {
  const fold = streamFold()
  for await (const line of lines) fold.step(line)
  return judge(fold.result(), options)
}

/** How far a damaged stream is good: reads it with every checkpoint judged, and keeps up to the last that holds. */
export async function scanDamaged(lines: AsyncIterable<Line>, options: ScanOptions): Promise<Scan['kept']> {
  const fold = streamFold((batch, genesis) => holds(batch, keysOf(genesis, options)))
  for await (const line of lines) fold.step(line)
  return keptOf(fold.result().closed.at(-1)?.after ?? startTip)
}

/** What a stream holds of the records its successor saw. */
export interface PinnedScan extends Omit<Scan, 'cut' | 'problem' | 'kept'> {
  /** False when they are no longer what they were. */
  readonly holds: boolean
  /** The first line after them and their checkpoint, when there is one. */
  readonly surplus?: Place
}

/** Reads a stream as far as its successor saw it, and no further. */
export async function scanPinned(lines: AsyncIterable<Line>, pinned: Pinned): Promise<PinnedScan> {
  const fold = streamFold()
  let surplus: Place | undefined
  for await (const line of lines) {
    if (fold.size() === pinned.size && !closes(line, pinned.size)) {
      surplus = { segment: line.segment, offset: line.offset }
      break
    }
    fold.step(line)
  }
  const result = fold.result()
  const { size, root } = keptOf(result.tip)
  return {
    ...factsOf(result, pinned.id, size),
    opened: result.closed.length > 0,
    holds: size === pinned.size && root === pinned.root,
    ...(surplus && { surplus }),
  }
}

/** True for the checkpoint over this many records. */
function closes({ bytes, ended }: Line, size: number): boolean {
  const parsed = parseLine(bytes)
  return ended && parsed.kind === 'checkpoint' && parseNote(parsed.note)?.size === size
}

/** The intents whose end was never recorded. Takes streams from the oldest to the newest. */
export function danglingIntents(scans: readonly Pick<Scan, 'events'>[]): readonly Intent[] {
  const open = new Map<string, Intent>()
  for (const { key, intent } of scans.flatMap(({ events }) => events)) {
    if (intent === undefined) open.delete(key)
    else open.set(key, intent)
  }
  return [...open.values()]
}

interface Keys {
  /** Absent when only checkpoints are signed. */
  readonly record?: KeyObject
  readonly checkpoint: { readonly raw: Uint8Array; readonly key: KeyObject }
  readonly origin: string
}

/** Where the stream stands for certain, and what lies between there and the end of the file. */
interface Base {
  readonly tip: Tip
  readonly tail: readonly HeldRecord[]
  /** Where the line after the tail begins, when there is one: it cannot stay. */
  readonly end?: Place
  readonly damage?: string
}

function judge(fold: Fold, { stream, trusted }: ScanOptions): Scan {
  const keys = keysOf(fold.genesis, { stream, trusted })
  if (keys === undefined && fold.genesis !== undefined)
    return broken(fold, stream, `its keys are not vouched for by this deployment`)
  const base = baseOf(fold, (batch) => holds(batch, keys))
  if (typeof base === 'string') return broken(fold, stream, base)

  const { tip, unfit } = keepWhile(base, (record, at) => keys !== undefined && fits(record, at, keys, stream))
  const cut = unfit ?? base.end
  if (cut !== undefined && cut.segment < fold.lastSegment)
    return broken(fold, stream, `its segment ${cut.segment} ends in damage and another follows`)
  const kept = keptOf(tip)
  return {
    ...factsOf(fold, stream, kept.size),
    // Every base but the start of the file is a checkpoint that holds.
    opened: base.tip.frontier.size > 0,
    kept,
    ...(cut && { cut: { segment: cut.segment, offset: cut.offset } }),
    ...(base.damage !== undefined && { problem: `stream ${stream}: ${base.damage}` }),
  }
}

/** A sentence instead of a base means that acknowledged records are damaged. */
function baseOf({ closed, open, broken }: Fold, batchHolds: (batch: Batch) => boolean): Base | string {
  const newest = closed.at(-1)
  const older = closed.length > 1 ? closed[0] : undefined
  if (broken !== undefined && broken.checkpoints > (broken.endsInCheckpoint ? 1 : 0))
    return `damaged (${broken.why}) at byte ${broken.place.offset} of segment ${broken.place.segment}, and sound lines follow`
  const damage = broken?.endsInCheckpoint === true ? `its last batch is damaged (${broken.why})` : undefined
  const tail = { tail: open, ...(broken && { end: broken.place }), ...(damage !== undefined && { damage }) }
  if (newest === undefined) return { tip: startTip, ...tail }
  if (batchHolds(newest)) return { tip: newest.after, ...tail }
  if (open.length > 0 || broken !== undefined || (older !== undefined && !batchHolds(older)))
    return `its checkpoint over ${newest.note.size} records does not hold`
  return {
    tip: newest.from,
    tail: newest.records,
    end: newest.place,
    damage: 'its last checkpoint does not hold',
  }
}

/** Goes on from the base for as long as records fit. `unfit` is the first that does not. */
function keepWhile(base: Base, fit: (record: HeldRecord, at: Tip) => boolean): { tip: Tip; unfit?: Place } {
  let tip = base.tip
  for (const record of base.tail) {
    if (!fit(record, tip)) return { tip, unfit: record.place }
    const leaf = leafHash(record.bytes)
    tip = { frontier: appendLeaf(tip.frontier, leaf), prev: leaf.toString('hex') }
  }
  return { tip }
}

/** Without a checkpoint over it, a record stays only if it is signed and continues the chain. */
function fits({ text, bytes, signature }: HeldRecord, at: Tip, keys: Keys, stream: string): boolean {
  if (keys.record === undefined || !signatureHolds(keys.record, pae(payloadType, bytes), signature)) return false
  const record = readRecord(text)
  return record?.stream === stream && record.seq === at.frontier.size && record.prev === at.prev
}

function holds({ note, after }: Batch, keys: Keys | undefined): boolean {
  return (
    keys !== undefined &&
    note.origin === keys.origin &&
    note.root.equals(rootOf(after.frontier)) &&
    checkpointHolds(note, keys.checkpoint.raw, keys.checkpoint.key)
  )
}

/** The keys a stream's genesis introduces; undefined unless a trusted key vouches for each of them, for this stream. */
function keysOf(genesis: Genesis | undefined, { stream, trusted }: ScanOptions): Keys | undefined {
  if (genesis === undefined) return undefined
  const raw = new Map<string, Buffer>()
  for (const envelope of genesis.delegations) {
    const check = checkDelegation(envelope, trusted)
    if (check.kind === 'bad' || check.statement.stream !== stream) return undefined
    raw.set(check.statement.purpose, check.publicKey)
  }
  const [record, checkpoint] = [raw.get('record'), raw.get('checkpoint')]
  if (checkpoint === undefined || (record === undefined) !== (genesis.signing === 'checkpoint')) return undefined
  return {
    ...(record && { record: publicKeyOf(record) }),
    checkpoint: { raw: checkpoint, key: publicKeyOf(checkpoint) },
    origin: originOf(genesis.deployment, stream),
  }
}

function broken(fold: Fold, stream: string, why: string): Scan {
  const kept = keptOf(fold.closed.at(-1)?.after ?? startTip)
  return { ...factsOf(fold, stream, kept.size), opened: kept.size > 0, kept, problem: `stream ${stream}: ${why}` }
}

function factsOf({ genesis, opening, events }: Fold, stream: string, size: number) {
  return {
    stream,
    opening,
    ...(genesis?.prevStream && { prevStream: genesis.prevStream }),
    events: events.filter(({ seq }) => seq < size),
  }
}

function keptOf({ frontier }: Tip): Scan['kept'] {
  return { size: frontier.size, root: rootOf(frontier).toString('hex') }
}
