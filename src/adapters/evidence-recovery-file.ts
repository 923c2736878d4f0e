import { createHash } from 'node:crypto'
import { unknownOf } from '../evidence/dangling.ts'
import type { Intent, Unknown } from '../evidence/dangling.ts'
import type { Pinned, Resume } from '../evidence/genesis.ts'
import { danglingIntents, scanDamaged, scanPinned, scanStream } from '../evidence/recover.ts'
import type { PinnedScan, Scan, ScanOptions } from '../evidence/recover.ts'
import { streamIdPattern } from '../evidence/stream-id.ts'
import { cutTail, linesOfStream, moveToQuarantine } from './evidence-quarantine-file.ts'
import type { StreamPlaces } from './evidence-quarantine-file.ts'

/** What a start found in the streams of the processes before it, and did about it. */
export interface Recovery {
  /** Bytes of torn or unsigned tails that were moved to `quarantine/`. */
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
  /** The stream to follow, as far as it is good. */
  readonly pinned?: Pinned
  readonly resume: Resume
  readonly intents: readonly Intent[]
}

export interface RecoveryOptions extends StreamPlaces {
  /** Deployment keys that older streams may have been opened under. */
  readonly trusted: ScanOptions['trusted']
}

/** Streams one start may have to read back through: a process that lost its disk over and over. */
const streamsMax = 256

/** Reads the last stream, cuts its torn tail, and finds the intents that nobody ended. Call it under the gateway's lock. */
export async function recoverStreams(options: RecoveryOptions): Promise<Recovered> {
  const ids = (await options.files.list(options.streams)).filter((name) => streamIdPattern.test(name))
  const newest = ids.at(-1)
  const named = newest === undefined ? {} : { newest }
  for (const id of ids.toReversed()) {
    const scan = await scanned(id, options)
    if (hasContent(scan)) return { ...(await resumed(scan, ids, options)), ...named }
    await moveToQuarantine(id, options)
  }
  return { cutBytes: 0, unknown: [], problems: [], resume: resumeOf([]), intents: [], ...named }
}

async function resumed(scan: Scan, ids: readonly string[], options: RecoveryOptions): Promise<Recovered> {
  const own = scan.kept.size === 0 ? Buffer.alloc(0) : await cutTail(scan.stream, scan.cut, options)
  const older = await predecessors(scan, options)
  const strays = await clearStrays(ids, scan, options)
  const resume = resumeOf([...older.cut, own])
  const intents = danglingIntents([...older.scans, scan])
  return {
    cutBytes: resume.cutBytes,
    unknown: intents.map(unknownOf),
    problems: [...(scan.problem === undefined ? [] : [scan.problem]), ...older.problems, ...strays],
    pinned: { id: scan.stream, ...scan.kept },
    resume,
    intents,
  }
}

/** What was cut, the oldest stream's bytes first. */
function resumeOf(cut: readonly Buffer[]): Resume {
  const bytes = Buffer.concat(cut)
  return { cutBytes: bytes.length, cutSha256: createHash('sha256').update(bytes).digest('hex') }
}

/** False for a stream whose opening never became durable: nothing was acknowledged in it, and no stream follows it. */
function hasContent({ kept, problem, cut }: Scan): boolean {
  return kept.size > 0 || (problem !== undefined && cut === undefined)
}

async function scanned(stream: string, options: RecoveryOptions): Promise<Scan> {
  const { trusted } = options
  const scan = await scanStream(linesOfStream(stream, options), { stream, trusted })
  if (scan.problem === undefined || scan.cut !== undefined) return scan
  return { ...scan, kept: await scanDamaged(linesOfStream(stream, options), { stream, trusted }) }
}

/** What the streams before the last one still have to say. Oldest first. */
interface Predecessors {
  readonly scans: readonly Pick<Scan, 'events'>[]
  readonly cut: readonly Buffer[]
  readonly problems: readonly string[]
}

/**
 * Reads the streams whose intents may still be open when `scan` begins. A stream that resumed another settled everything
 * before it; one that replaced a failing file, or keys that had grown old, settled nothing.
 */
async function predecessors(scan: Scan, options: RecoveryOptions): Promise<Predecessors> {
  let before: Predecessors = { scans: [], cut: [], problems: [] }
  let at: Pick<Scan, 'opening' | 'opened' | 'prevStream' | 'stream'> = scan
  while (at.prevStream !== undefined && !(at.opening === 'resume' && at.opened)) {
    const { prevStream } = at
    if (before.scans.length === streamsMax)
      return { ...before, problems: [...before.problems, `more than ${streamsMax} streams are unsettled`] }
    const found = await scanPinned(linesOfStream(prevStream.id, options), prevStream)
    const cut = at.opening === 'gap' ? await cutSurplus(prevStream.id, found, options) : Buffer.alloc(0)
    const lost = `stream ${prevStream.id} no longer holds the ${prevStream.size} records that ${at.stream} saw in it`
    before = {
      scans: [found, ...before.scans],
      cut: [cut, ...before.cut],
      problems: found.holds ? before.problems : [...before.problems, lost],
    }
    // Keys are replaced after a day, and no call lasts one: what was open before that stream is long over.
    if (at.opening === 'rotate') break
    at = found
  }
  return before
}

/**
 * What a file that failed holds beyond its last acknowledged record was told to nobody. It goes, whole records too: they may
 * be in memory alone, and a power cut would make a hole of them that looks like tampering.
 */
async function cutSurplus(id: string, { holds, surplus }: PinnedScan, options: RecoveryOptions): Promise<Buffer> {
  return holds ? cutTail(id, surplus, options) : Buffer.alloc(0)
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
