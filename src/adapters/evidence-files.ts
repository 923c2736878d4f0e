import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { readRecord } from '../evidence/dangling.ts'
import { linesOf } from '../evidence/lines.ts'
import { fits, mayFit } from '../evidence/read.ts'
import type { ReadRecord, RecordFilter } from '../evidence/read.ts'
import type { SegmentLine } from '../evidence/verify.ts'
import { nodeFiles } from './files.ts'

/** One segment of a stream. */
export interface Segment {
  readonly number: number
  readonly file: string
  readonly sizeBytes: number
}

/** One stream on disk. */
export interface StreamFolder {
  readonly id: string
  readonly gateway: string
  readonly directory: string
}

/** True for a directory that holds `streams/`. */
export function isDataDirectory(directory: string): boolean {
  return existsSync(path.join(directory, 'streams'))
}

/** The streams of a data directory, oldest first: their names are ULIDs. */
export async function streamsOf(data: string): Promise<readonly StreamFolder[]> {
  const root = path.join(data, 'streams')
  const gateways = await foldersIn(root)
  const streams = gateways.map(async (gateway) => {
    const ids = await foldersIn(path.join(root, gateway))
    return ids.map((id) => ({ id, gateway, directory: path.join(root, gateway, id) }))
  })
  return (await Promise.all(streams)).flat().sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** The segments of a stream, in order. Other files are left alone. */
export async function segmentsOf(directory: string): Promise<readonly Segment[]> {
  const names = (await nodeFiles().list(directory)).filter((name) => segmentNumber(name) !== undefined)
  return Promise.all(names.map((name) => segmentAt(path.join(directory, name))))
}

/** One segment file. A file of another name counts as the first segment of a stream. */
export async function segmentAt(file: string): Promise<Segment> {
  return { number: segmentNumber(path.basename(file)) ?? 1, file, sizeBytes: (await stat(file)).size }
}

/** The lines of segments, one at a time: memory does not grow with the file. */
export async function* linesIn(segments: readonly Segment[]): AsyncGenerator<SegmentLine> {
  for (const { number, file, sizeBytes } of segments)
    for await (const line of linesOf(nodeFiles().read(file), number))
      yield { ...line, overlong: isCut(line, sizeBytes) }
}

/** `linesOf` keeps no more of a line than any line may have; what it cut stops short of the end of the file. */
function isCut(line: { ended: boolean; offset: number; bytes: Buffer }, sizeBytes: number): boolean {
  return !line.ended && line.offset + line.bytes.length < sizeBytes
}

function segmentNumber(name: string): number | undefined {
  const [, digits] = /^seg-([0-9]{8})\.log$/.exec(name) ?? []
  return digits === undefined ? undefined : Number(digits)
}

async function foldersIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

/** Every whole record line of a stream, in order: its bytes without the signature, and its number as counted from 0. */
export async function* recordLines(
  directory: string,
): AsyncGenerator<{ readonly bytes: Buffer; readonly seq: number }> {
  let seq = 0
  for await (const { bytes, ended } of linesIn(await segmentsOf(directory))) {
    const tab = bytes.indexOf(0x09)
    if (!ended || bytes[0] !== 0x7b || tab === -1) continue
    yield { bytes: bytes.subarray(0, tab), seq: seq++ }
  }
}

/** Reads the records of a data directory that fit a filter, stream after stream. What cannot be read is skipped: `verify` says where and why. */
export async function* readRecords(data: string, filter: RecordFilter): AsyncGenerator<ReadRecord> {
  const may = mayFit(filter)
  for (const { directory } of await streamsOf(data))
    for await (const { bytes } of recordLines(directory)) {
      if (!may(bytes)) continue
      const text = bytes.toString()
      const record = readRecord(text)
      if (record !== undefined && fits(record, filter)) yield { record, text }
    }
}
