import { createHash } from 'node:crypto'
import path from 'node:path'
import { unknownOf } from '../evidence/dangling.ts'
import type { Intent, Unknown } from '../evidence/dangling.ts'
import type { Pinned, Resume } from '../evidence/genesis.ts'
import { linesOf } from '../evidence/lines.ts'
import type { Line, Place } from '../evidence/lines.ts'
import { danglingIntents, scanDamaged, scanPinned, scanStream } from '../evidence/recover.ts'
import type { Scan, ScanOptions } from '../evidence/recover.ts'
import { streamIdPattern } from '../evidence/stream-id.ts'
import { segmentName } from './evidence-stream-file.ts'
import type { Files } from './files.ts'

/** What a start found in the streams of the processes before it, and did about it. */
export interface Recovery {
  /** Bytes of a torn or unsigned tail that were moved to `quarantine/`. */
  readonly cutBytes: number
  /** Calls whose intent is durable and whose outcome is not. Recorded as `call.unknown`; their idempotency keys are in doubt. */
  readonly unknown: readonly Unknown[]
  /** Sentences an operator must see: damage that a crash does not explain. */
  readonly problems: readonly string[]
}

/** The same, with what the new stream must say about it. */
export interface Recovered extends Recovery {
  /** The newest stream there is, whatever it holds. */
  readonly newest?: string
  readonly pinned?: Pinned
  readonly resume: Resume
  readonly intents: readonly Intent[]
}

export interface RecoveryOptions {
  readonly files: Files
  /** The gateway's directory: one directory per stream. */
  readonly streams: string
  /** Where cut bytes and empty streams go. Exists. */
  readonly quarantine: string
  readonly trusted: ScanOptions['trusted']
}

/** Streams one start may have to read back through: a process that lost its disk over and over. */
const streamsMax = 256

const nothing: Resume = { cutBytes: 0, cutSha256: createHash('sha256').digest('hex') }

/** Reads the last stream, cuts its torn tail, and finds the intents that nobody ended. Call it under the gateway's lock. */
export async function recoverStreams(options: RecoveryOptions): Promise<Recovered> {
  const ids = (await options.files.list(options.streams)).filter((name) => streamIdPattern.test(name))
  const newest = ids.at(-1)
  for (const id of ids.toReversed()) {
    const scan = await scanned(id, options)
    if (hasContent(scan)) {
      const { problems, ...recovered } = await resumed(scan, options)
      const strays = await clearStrays(ids, scan, options)
      return { ...recovered, problems: [...problems, ...strays], ...(newest !== undefined && { newest }) }
    }
    await moveToQuarantine(id, options)
  }
  return {
    cutBytes: 0,
    unknown: [],
    problems: [],
    resume: nothing,
    intents: [],
    ...(newest !== undefined && { newest }),
  }
}

/** False for a stream whose opening never became durable: nothing was acknowledged in it, and no stream follows it. */
function hasContent({ kept, problem, cut }: Scan): boolean {
  return kept.size > 0 || (problem !== undefined && cut === undefined)
}

/** Streams between the last one and the one it names belong to no chain. One that never opened is moved; another is reported. */
async function clearStrays(ids: readonly string[], { stream, prevStream }: Scan, options: RecoveryOptions) {
  const problems: string[] = []
  for (const id of ids.filter((id) => id < stream && id > (prevStream?.id ?? ''))) {
    if (hasContent(await scanned(id, options))) problems.push(`stream ${id} holds records, and no stream follows it`)
    else await moveToQuarantine(id, options)
  }
  return problems
}

async function resumed(scan: Scan, options: RecoveryOptions): Promise<Recovered> {
  const { stream: id, kept } = scan
  const resume = await cutTail(scan, options)
  const older = await predecessors(scan, options)
  const intents = danglingIntents([...older.scans, scan])
  return {
    cutBytes: resume.cutBytes,
    unknown: intents.map(unknownOf),
    problems: [...(scan.problem === undefined ? [] : [scan.problem]), ...older.problems],
    pinned: { id, ...kept },
    resume,
    intents,
  }
}

async function scanned(stream: string, options: RecoveryOptions): Promise<Scan> {
  const { trusted } = options
  const scan = await scanStream(linesOfStream(stream, options), { stream, trusted })
  if (scan.problem === undefined || scan.cut !== undefined) return scan
  return { ...scan, kept: await scanDamaged(linesOfStream(stream, options), { stream, trusted }) }
}

/**
 * The streams whose intents may still be open when `scan` begins, oldest first. A stream that resumed another settled
 * everything before it; one that replaced a failing file, or a key that had grown old, settled nothing.
 */
async function predecessors(scan: Scan, options: RecoveryOptions) {
  const scans: Pick<Scan, 'events'>[] = []
  const problems: string[] = []
  let at: Pick<Scan, 'opening' | 'opened' | 'prevStream' | 'stream'> = scan
  while (at.prevStream !== undefined && !(at.opening === 'resume' && at.opened)) {
    if (scans.length === streamsMax)
      return { scans, problems: [...problems, `more than ${streamsMax} streams are unsettled`] }
    const found = await scanPinned(linesOfStream(at.prevStream.id, options), at.prevStream)
    if (!found.holds)
      problems.push(
        `stream ${at.prevStream.id} no longer holds the ${at.prevStream.size} records that ${at.stream} saw in it`,
      )
    scans.unshift(found)
    // A key is replaced after a day, and no call lasts one: what was open before that stream is long over.
    if (at.opening === 'rotate') break
    at = found
  }
  return { scans, problems }
}

/** Moves a torn tail to quarantine: copy, make durable, only then cut. */
async function cutTail({ stream, cut, kept }: Scan, options: RecoveryOptions): Promise<Resume> {
  const { files, streams, quarantine } = options
  const end = cut ?? (await endOf(stream, options))
  if (end === undefined || kept.size === 0) return nothing
  const file = path.join(streams, stream, segmentName(end.segment))
  const copy = path.join(quarantine, `${stream}-${end.segment}-${end.offset}.bin`)
  if (cut !== undefined) {
    await files.createWhole(copy, await bytesOf(files.read(file, cut.offset)))
    await files.truncate(file, cut.offset)
  }
  // A start that lost power after cutting left the copy behind, under this very name.
  const bytes = await bytesOf(files.read(copy)).catch(() => Buffer.alloc(0))
  return { cutBytes: bytes.length, cutSha256: createHash('sha256').update(bytes).digest('hex') }
}

async function moveToQuarantine(stream: string, { files, streams, quarantine }: RecoveryOptions): Promise<void> {
  await files.rename(path.join(streams, stream), path.join(quarantine, stream))
  await files.syncDirectory(streams)
  await files.syncDirectory(quarantine)
}

async function* linesOfStream(stream: string, { files, streams }: RecoveryOptions): AsyncGenerator<Line> {
  for (const { number, file } of await segmentsOf(files, path.join(streams, stream)))
    yield* linesOf(files.read(file), number)
}

async function endOf(stream: string, { files, streams }: RecoveryOptions): Promise<Place | undefined> {
  const last = (await segmentsOf(files, path.join(streams, stream))).at(-1)
  return last && { segment: last.number, offset: await files.size(last.file) }
}

async function segmentsOf(files: Files, directory: string) {
  const names = (await files.list(directory)).filter((name) => /^seg-[0-9]{8}\.log$/.test(name))
  return names.map((name) => ({ number: Number(name.slice(4, 12)), file: path.join(directory, name) }))
}

async function bytesOf(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}
