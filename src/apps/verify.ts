import { existsSync } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { isDataDirectory, linesIn, segmentAt, segmentsOf, streamsOf } from '../adapters/evidence-files.ts'
import type { Segment } from '../adapters/evidence-files.ts'
import { readBundleFolder, readBundleZip } from '../adapters/bundle-zip.ts'
import { verifyBundle } from '../evidence/bundle.ts'
import { parseNote } from '../evidence/checkpoint.ts'
import { Genesis } from '../evidence/genesis.ts'
import type { Memory } from '../evidence/head.ts'
import type { StreamReport } from '../evidence/judge-stream.ts'
import { verifyStream } from '../evidence/judge-stream.ts'
import { manifestFile } from '../evidence/manifest.ts'
import type { Problem } from '../evidence/problem.ts'
import { exitCodeOf, Flaw } from '../evidence/problem.ts'
import { readLine } from '../evidence/stored.ts'
import type { Trust } from '../evidence/trust.ts'
import { parseTrust } from '../evidence/trust.ts'
import type { StreamSummary } from '../evidence/verify.ts'

export interface VerifyOptions {
  /** A data directory, a stream's directory, a segment, or a bundle (zip or unpacked). */
  readonly path: string
  /** A trust file. A data directory falls back on its own; anything else is then untrusted. */
  readonly trustFile?: string
  /** A checkpoint that was saved elsewhere: a note, or a checkpoint line. */
  readonly anchorFile?: string
  readonly quick?: boolean
  readonly jobs?: number
  /** Told how far the reading has come, now and then. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
}

export interface VerifyReport {
  readonly ok: boolean
  readonly exitCode: 0 | 1 | 2
  readonly records: number
  readonly streams: readonly StreamSummary[]
  readonly problems: readonly Problem[]
  /** Whose word the keys rest on. */
  readonly trust: 'given' | 'own' | 'none'
}

interface Found {
  readonly reports: readonly StreamReport[]
  readonly problems: readonly Problem[]
  /** What other streams, the anchor or the manifest remember. */
  readonly memories: readonly Memory[]
  readonly trust: VerifyReport['trust']
}

interface Context extends VerifyOptions {
  readonly trust: Trust | undefined
  readonly anchors: readonly Memory[]
}

/** Verifies evidence from files alone. Rejects when they, the trust file or the anchor cannot be read; everything else is in the report. */
export async function verifyEvidence(options: VerifyOptions): Promise<VerifyReport> {
  const { trustFile, anchorFile } = options
  const trust = trustFile === undefined ? undefined : parseTrust(await readFile(trustFile, 'utf8'))
  const anchors = anchorFile === undefined ? [] : [await readAnchor(anchorFile)]
  const found = await verifyKind({ ...options, trust, anchors }).catch(flawed)
  const streams = found.reports.map(({ summary }) => summary)
  const problems = [...found.problems, ...found.reports.flatMap((report) => report.problems), ...missing(found)]
  const exitCode = exitCodeOf(problems)
  const records = streams.reduce((sum, stream) => sum + stream.records, 0)
  return { ok: exitCode === 0, exitCode, records, streams, problems, trust: found.trust }
}

async function verifyKind(options: Context): Promise<Found> {
  const file = options.path
  const isDirectory = (await stat(file)).isDirectory()
  if (isDirectory && isDataDirectory(file)) return verifyData(options)
  if (isDirectory && existsSync(path.join(file, manifestFile)))
    return verifyFiles(await readBundleFolder(file), options)
  if (isDirectory) return verifyOne(await segmentsOf(file), options)
  if (await isZip(file)) return verifyFiles(await readBundleZip(await readFile(file)), options)
  const segment = await segmentAt(file)
  return segment.number > 1 ? alone(segment) : verifyOne([segment], options)
}

async function verifyData(options: Context): Promise<Found> {
  const own = path.join(options.path, 'trust.json')
  const trust = options.trust ?? (existsSync(own) ? parseTrust(await readFile(own, 'utf8')) : undefined)
  const folders = await streamsOf(options.path)
  const streams = await Promise.all(
    folders.map(async ({ id, directory }) => ({ id, segments: await segmentsOf(directory) })),
  )
  const successors = await Promise.all(streams.map(({ id, segments }) => predecessorOf(id, segments)))
  const memories = [...options.anchors, ...successors.flat()]
  const onBytes = progress(
    options,
    streams.flatMap(({ segments }) => segments),
  )
  const reports: StreamReport[] = []
  for (const { id, segments } of streams)
    reports.push(
      await verifyStream(linesIn(segments), { ...streamOptions(options, trust), stream: id, memories, onBytes }),
    )
  const given = options.trust !== undefined ? 'given' : trust !== undefined ? 'own' : 'none'
  return { reports, problems: [], memories, trust: given }
}

async function verifyOne(segments: readonly Segment[], options: Context): Promise<Found> {
  const memories = options.anchors
  const onBytes = progress(options, segments)
  const first = { ...streamOptions(options, options.trust), memories, onBytes }
  const report = await verifyStream(linesIn(segments), first)
  return { reports: [report], problems: [], memories, trust: options.trust === undefined ? 'none' : 'given' }
}

async function verifyFiles(files: ReadonlyMap<string, Buffer>, options: Context): Promise<Found> {
  const trust = options.trust === undefined ? 'none' : 'given'
  return { ...(await verifyBundle(files, options)), trust }
}

function alone({ file }: Segment): Found {
  const message = 'A later segment by itself has no keys to be verified with. Verify the directory of its stream.'
  const problem: Problem = { code: 'SEGMENT_ALONE', segment: path.basename(file), message }
  return { reports: [], problems: [problem], memories: [], trust: 'none' }
}

function streamOptions({ quick = false, jobs = 1 }: Context, trust: Trust | undefined) {
  return { quick, jobs, ...(trust && { trust }) }
}

/** What the genesis of a stream remembers of the one before. It is judged, like every record, when its own stream is. */
async function predecessorOf(id: string, segments: readonly Segment[]): Promise<readonly Memory[]> {
  try {
    for await (const { bytes } of linesIn(segments.slice(0, 1))) {
      const line = readLine(bytes, false)
      const genesis = Genesis.safeParse(line.kind === 'record' ? line.record.ext : undefined)
      const before = genesis.data?.prevStream
      return before === undefined ? [] : [{ ...before, stream: before.id, by: `Stream ${id}`, final: true }]
    }
  } catch (error) {
    if (!(error instanceof Flaw)) throw error
  }
  return []
}

/** Streams that somebody remembers and nobody has. */
function missing({ memories, reports }: Found): readonly Problem[] {
  const here = new Set(reports.map(({ summary }) => summary.stream))
  return memories
    .filter(({ stream }) => !here.has(stream))
    .map(({ stream, by }) => ({ code: 'STREAM_MISSING', stream, message: `${by} remembers it, and it is not here.` }))
}

function flawed(error: unknown): Found {
  if (!(error instanceof Flaw)) throw error
  return { reports: [], problems: [{ code: error.code, message: error.message }], memories: [], trust: 'none' }
}

async function readAnchor(file: string): Promise<Memory> {
  const text = await readFile(file, 'utf8')
  const note = parseNote(text.startsWith('C\t') ? Buffer.from(text.slice(2).trim(), 'base64url').toString() : text)
  const [, stream] = /^[^/]+\/evidence\/(.+)$/.exec(note?.origin ?? '') ?? []
  if (note === undefined || stream === undefined)
    throw new Error(`${file} holds no checkpoint; an anchor is a note or a checkpoint line copied from a log.`)
  return { stream, size: note.size, root: note.root.toString('hex'), by: 'The anchor', final: false }
}

async function isZip(file: string): Promise<boolean> {
  await using handle = await open(file, 'r')
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0)
  return bytesRead === 2 && buffer.toString('latin1') === 'PK'
}

/** Calls `onProgress` for every further mebibyte. */
function progress({ onProgress }: Context, segments: readonly Segment[]): (sizeBytes: number) => void {
  const totalBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  let doneBytes = 0
  let toldBytes = 0
  return (sizeBytes) => {
    doneBytes += sizeBytes
    if (doneBytes - toldBytes < 1_048_576) return
    toldBytes = doneBytes
    onProgress?.(doneBytes, totalBytes)
  }
}
