import { hash } from 'node:crypto'
import { z } from 'zod'
import type { Memory } from './head.ts'
import type { JudgeOptions, StreamReport } from './judge-stream.ts'
import { verifyStream } from './judge-stream.ts'
import { lineBytesMax } from './chain.ts'
import type { BundledStream, Query, Statement } from './manifest.ts'
import { manifestFile, readManifest } from './manifest.ts'
import type { Problem } from './problem.ts'
import { demand, Flaw } from './problem.ts'
import type { EvidenceRecord } from './record.ts'
import type { Stored } from './stored.ts'
import type { Trust } from './trust.ts'
import { parseTrust } from './trust.ts'
import type { SegmentLine } from './verify.ts'

/** Lists the records that answer the query and those linked to them; one JSON object per line. */
export const indexFile = 'records/index.jsonl'

/** Public keys as the exporter knew them: a hint, never a reason to believe. */
export const trustHint = 'keys/trust.json'

/** A record the bundle was made to show. */
export interface IndexEntry {
  readonly leaf: string
  readonly seq: number
  readonly stream: string
  /** It answers the query, or it belongs to one that does: an alert, a switch, an intent. */
  readonly why: 'query' | 'link'
}

const IndexEntry: z.ZodType<IndexEntry> = z.strictObject({
  leaf: z.string().regex(/^[0-9a-f]{64}$/),
  seq: z.int().min(0),
  stream: z.string().min(1),
  why: z.enum(['query', 'link']),
})

export interface BundleReport {
  readonly reports: readonly StreamReport[]
  readonly problems: readonly Problem[]
  readonly memories: readonly Memory[]
}

export interface BundleOptions extends Pick<JudgeOptions, 'quick' | 'jobs'> {
  /** Without it the bundle vouches for itself, and is untrusted. */
  readonly trust: Trust | undefined
  readonly anchors: readonly Memory[]
}

/** Verifies a bundle from its files: the manifest over all of them, each stream, and that every record it promises is shown. */
export async function verifyBundle(files: ReadonlyMap<string, Buffer>, options: BundleOptions): Promise<BundleReport> {
  const trust = options.trust ?? parseTrust(fileOf(files, trustHint).toString())
  const { statement, trusted } = readManifest(fileOf(files, manifestFile), trust)
  const { predicate } = statement
  const problems = [...distrust(options.trust, trusted), ...fileProblems(files, statement)]
  const memories = [...options.anchors, ...predicate.streams.map(memoryOf)]
  const shown = new Map<string, Stored>()
  const reports: StreamReport[] = []
  for (const bundled of predicate.streams)
    reports.push(
      await verifyStream(linesOfFile(files.get(bundled.file)), {
        ...options,
        stream: bundled.stream,
        trust,
        memories,
        hashes: true,
        nameOf: () => bundled.file,
        onRecord: (stored) => shown.set(keyOf(stored.record), stored),
      }),
    )
  problems.push(...indexProblems(fileOf(files, indexFile), shown, predicate.query))
  return { reports, problems, memories }
}

/** True when a record is one that the query asks for, not merely linked to one. */
export function answersQuery(record: EvidenceRecord, query: Query): boolean {
  const { trace = record.traceId, session = record.session, sinceMs = 0, untilMs = Infinity } = query
  return record.traceId === trace && record.session === session && record.tsMs >= sinceMs && record.tsMs <= untilMs
}

function distrust(given: Trust | undefined, trusted: boolean): Problem[] {
  if (given === undefined)
    return [{ code: 'UNTRUSTED_KEY', message: 'No trust file was given, so the bundle only vouches for itself.' }]
  return trusted
    ? []
    : [{ code: 'UNTRUSTED_KEY', message: 'The bundle was made with a key that is not in the trust file.' }]
}

function fileProblems(files: ReadonlyMap<string, Buffer>, { subject }: Statement): Problem[] {
  const digests = new Map(subject.map(({ name, digest }) => [name, digest.sha256]))
  const names = new Set([...files.keys(), ...digests.keys()])
  names.delete(manifestFile)
  const wrong = [...names].filter((name) => digests.get(name) !== digestOf(files.get(name)))
  return wrong.map((name) => ({
    code: 'MANIFEST_MISMATCH',
    segment: name,
    message: `${name} is missing, added or changed: the manifest says something else.`,
  }))
}

function indexProblems(index: Buffer, shown: ReadonlyMap<string, Stored>, query: Query): Problem[] {
  return readIndex(index).flatMap(({ stream, seq, leaf, why }): Problem[] => {
    const found = shown.get(`${stream} ${seq}`)
    if (found?.leaf.toString('hex') !== leaf)
      return [
        { code: 'INCOMPLETE_TRACE', stream, seq, message: `Record ${seq} of ${stream} is promised and not shown.` },
      ]
    if (why === 'link' || answersQuery(found.record, query)) return []
    return [{ code: 'SUBJECT_MISMATCH', stream, seq, message: `Record ${seq} of ${stream} does not answer the query.` }]
  })
}

function readIndex(bytes: Buffer): readonly IndexEntry[] {
  const lines = bytes.toString().split('\n').slice(0, -1)
  return lines.map((line) => {
    const read = IndexEntry.safeParse(parsed(line))
    demand(read.success, 'MANIFEST_MISMATCH', `${indexFile} has a malformed line.`)
    return read.data
  })
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function memoryOf({ stream, size, root }: BundledStream): Memory {
  return { stream, size, root, by: 'The manifest', final: true }
}

function fileOf(files: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const bytes = files.get(name)
  if (bytes === undefined) throw new Flaw('MANIFEST_MISMATCH', `${name} is missing from the bundle.`)
  return bytes
}

function digestOf(bytes: Buffer | undefined): string | undefined {
  return bytes && hash('sha256', bytes, 'hex')
}

function keyOf({ stream, seq }: EvidenceRecord): string {
  return `${stream} ${seq}`
}

/** The lines of a file in memory. */
function* linesOfFile(bytes: Buffer = Buffer.alloc(0)): Generator<SegmentLine> {
  for (let offset = 0; offset < bytes.length;) {
    const lf = bytes.indexOf(0x0a, offset)
    const end = lf === -1 ? bytes.length : lf
    const line = bytes.subarray(offset, end)
    yield { segment: 1, offset, bytes: line, ended: lf !== -1, overlong: line.length > lineBytesMax }
    offset = end + 1
  }
}
