import { genesisPrev, leafHash, parseLine } from './chain.ts'
import type { ParsedLine } from './chain.ts'
import { parseNote } from './checkpoint.ts'
import type { SignedCheckpoint } from './checkpoint.ts'
import { lifeEvent, readRecord } from './dangling.ts'
import type { LifeEvent } from './dangling.ts'
import { Genesis } from './genesis.ts'
import type { Line, Place } from './lines.ts'
import { appendLeaf, emptyFrontier } from './merkle.ts'
import type { Frontier } from './merkle.ts'

/** How a stream came after the one before it. */
export type Opening = 'first' | 'resume' | 'gap' | 'rotate'

/** The tree, and the hash the next record must name. */
export interface Tip {
  readonly frontier: Frontier
  readonly prev: string
}

/** A record as it lies in the file. Its JSON and its signature are not yet judged. */
export interface HeldRecord {
  readonly place: Place
  readonly text: string
  readonly bytes: Uint8Array
  readonly signature: Uint8Array
}

/** What one flush wrote: records, and the checkpoint that closes them. */
export interface Batch {
  readonly from: Tip
  readonly records: readonly HeldRecord[]
  readonly after: Tip
  readonly note: SignedCheckpoint
  /** Of the checkpoint's line. */
  readonly place: Place
}

/** The first line that does not belong to a stream, and what comes after it. */
export interface Break {
  readonly place: Place
  readonly why: string
  /** Checkpoint lines from here on. */
  readonly checkpoints: number
  /** The last of them is the last line. */
  readonly endsInCheckpoint: boolean
}

export interface Fold {
  readonly genesis?: Genesis
  readonly opening: Opening
  /** The last two batches that were closed by a checkpoint, older first. */
  readonly closed: readonly Batch[]
  /** Records after the last checkpoint. */
  readonly open: readonly HeldRecord[]
  readonly tip: Tip
  readonly broken?: Break
  /** Segment of the last line. */
  readonly lastSegment: number
  /** Intents and ends among all records, numbered by their true position. */
  readonly events: readonly LifeEvent[]
}

/** Before the first record. */
export const startTip: Tip = { frontier: emptyFrontier, prev: genesisPrev }

/** Records a stream opens with before anything else can follow: genesis, one or two keys, and how it came about. */
const openingMax = 5

/**
 * Folds the lines of one stream, in order: hashes each record and remembers the last two batches, so that whoever judges
 * the end of the file need not read it again. `accept` is asked of each closed batch; a refused one breaks the fold.
 */
export function streamFold(accept: (batch: Batch, genesis: Genesis | undefined) => boolean = () => true) {
  let tip = startTip
  let from = startTip
  let open: HeldRecord[] = []
  let closed: readonly Batch[] = []
  let genesis: Genesis | undefined
  let opening: Opening = 'first'
  let broken: Break | undefined
  let lastSegment = 0
  // By key: reads end too, without ever having had an intent.
  const openIntents = new Set<string>()
  const events: LifeEvent[] = []

  function step(line: Line): void {
    const parsed: ParsedLine = line.ended ? parseLine(line.bytes) : { kind: 'malformed', why: 'line-too-long' }
    lastSegment = line.segment
    if (broken !== undefined) broken = furtherBroken(broken, parsed)
    else if (parsed.kind === 'record') takeRecord({ ...parsed, place: line })
    else if (parsed.kind === 'checkpoint') takeCheckpoint(parsed, line)
    else breakAt(line, line.ended ? parsed.why : 'torn', parsed)
  }

  function takeRecord(record: HeldRecord): void {
    const seq = tip.frontier.size
    if (seq < openingMax) readOpening(record.text, seq)
    const event = lifeEvent(record.text, openIntents.size > 0 || opening === 'gap' || opening === 'rotate')
    if (event !== undefined) {
      events.push({ ...event, seq })
      if (event.intent === undefined) openIntents.delete(event.key)
      else openIntents.add(event.key)
    }
    const leaf = leafHash(record.bytes)
    tip = { frontier: appendLeaf(tip.frontier, leaf), prev: leaf.toString('hex') }
    open.push(record)
  }

  function readOpening(text: string, seq: number): void {
    const record = readRecord(text)
    if (seq === 0 && record?.type === 'stream.genesis') {
      const read = Genesis.safeParse(record.ext)
      if (read.success) genesis = read.data
      opening = genesis?.prevStream === undefined ? 'first' : 'rotate'
    }
    if (record?.type === 'stream.resume') opening = 'resume'
    if (record?.type === 'stream.gap') opening = 'gap'
  }

  function takeCheckpoint(parsed: ParsedLine & { kind: 'checkpoint' }, place: Place): void {
    const note = parseNote(parsed.note)
    if (note === undefined || open.length === 0 || note.size !== tip.frontier.size || note.signatures.length !== 1)
      return breakAt(place, 'a checkpoint that does not fit', parsed)
    const batch = { from, records: open, after: tip, note, place }
    if (!accept(batch, genesis)) return breakAt(place, 'a checkpoint that does not hold', parsed)
    closed = [...closed.slice(-1), batch]
    from = tip
    open = []
  }

  function breakAt({ segment, offset }: Place, why: string, parsed: ParsedLine): void {
    broken = furtherBroken({ place: { segment, offset }, why, checkpoints: 0, endsInCheckpoint: false }, parsed)
  }

  return {
    step,
    /** Records so far. */
    size: () => tip.frontier.size,
    result: (): Fold => ({
      ...(genesis && { genesis }),
      opening,
      closed,
      open,
      tip,
      ...(broken && { broken }),
      lastSegment,
      events,
    }),
  }
}

function furtherBroken(broken: Break, parsed: ParsedLine): Break {
  const isCheckpoint = parsed.kind === 'checkpoint'
  return { ...broken, checkpoints: broken.checkpoints + (isCheckpoint ? 1 : 0), endsInCheckpoint: isCheckpoint }
}
