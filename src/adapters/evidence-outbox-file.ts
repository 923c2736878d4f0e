import { open, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { streamIdPattern } from '../evidence/stream-id.ts'
import { nodeFiles } from './files.ts'
import { segmentName } from './evidence-stream-file.ts'

/** How far somebody has read a gateway's streams: everything before it is done with. */
export interface Cursor {
  readonly stream: string
  readonly segment: number
  /** Byte in the segment where the next line begins. */
  readonly offset: number
}

/** One line, LF removed; or half a megabyte of damage in which there is no LF. */
export interface Piece {
  readonly bytes: Buffer
  /** What it takes in the file. */
  readonly sizeBytes: number
}

/** The segments of one gateway, read as a queue: what is written there waits to be carried on. */
export interface Outbox {
  /** The place where reading was left off, or the oldest stream; undefined while there is none. */
  start(): Promise<Cursor | undefined>
  /** Whole lines that follow, half a megabyte at most; none at the end of a segment. */
  read(cursor: Cursor): Promise<readonly Piece[]>
  /** The next segment of the stream, or the next stream; undefined when the cursor is in the last. */
  next(cursor: Cursor): Promise<Cursor | undefined>
  /** The stream after this one; undefined for the last. */
  following(stream: string): Promise<string | undefined>
  /** Remembers a place, in one step. Not flushed: reading again from an older place does no harm. */
  save(cursor: Cursor): Promise<void>
  /** Bytes after a cursor. */
  behind(cursor: Cursor): Promise<number>
}

/** Most bytes read at once; more than the longest line. */
const chunkBytesMax = 512 * 1024

export interface OutboxOptions {
  /** The data directory. */
  readonly directory: string
  readonly gateway: string
}

export function fileOutbox({ directory, gateway }: OutboxOptions): Outbox {
  const streams = path.join(directory, 'streams', gateway)
  const mark = path.join(directory, 'shipped', `${gateway}.json`)
  const files = nodeFiles()
  let made: Promise<void> | undefined

  const ids = async (): Promise<readonly string[]> =>
    (await files.list(streams)).filter((name) => streamIdPattern.test(name))
  const segments = async (stream: string): Promise<readonly number[]> =>
    (await files.list(path.join(streams, stream)))
      .flatMap((name) => /^seg-(\d{8})\.log$/.exec(name)?.[1] ?? [])
      .map(Number)
  const following = async (stream: string) => (await ids()).find((id) => id > stream)
  const begin = (stream: string): Cursor => ({ stream, segment: 1, offset: 0 })
  const place = ({ stream, segment }: Pick<Cursor, 'stream' | 'segment'>) =>
    path.join(streams, stream, segmentName(segment))

  return {
    async start() {
      const saved = await readFile(mark, 'utf8').then(cursorOf, missing)
      const all = await ids()
      if (saved !== undefined && all.includes(saved.stream)) return saved
      // What it named was deleted or moved away: on with what came after it.
      const from = all.find((id) => saved === undefined || id > saved.stream)
      return from === undefined ? undefined : begin(from)
    },
    async read(cursor) {
      const file = await open(place(cursor)).catch(missing)
      // Moved to quarantine, deleted, or not there yet.
      if (file === undefined) return []
      await using reading = file
      const { buffer, bytesRead } = await reading.read(
        Buffer.allocUnsafe(chunkBytesMax),
        0,
        chunkBytesMax,
        cursor.offset,
      )
      return piecesOf(buffer.subarray(0, bytesRead))
    },
    async next({ stream, segment }) {
      // Streams first: one that comes while segments are looked at must not hide the last segment before it.
      const next = await following(stream)
      const later = (await segments(stream)).find((number) => number > segment)
      if (later !== undefined) return { stream, segment: later, offset: 0 }
      return next === undefined ? undefined : begin(next)
    },
    following,
    async save(cursor) {
      await (made ??= files.makeDirectory(path.dirname(mark)))
      await writeFile(`${mark}.new`, JSON.stringify(cursor), { mode: 0o600 })
      await rename(`${mark}.new`, mark)
    },
    async behind({ stream, segment, offset }) {
      const left = (await ids()).filter((id) => id >= stream)
      const sizes = left.map(async (id) => {
        const after = (await segments(id)).filter((number) => id > stream || number >= segment)
        return Promise.all(after.map((number) => files.size(place({ stream: id, segment: number }))))
      })
      return (await Promise.all(sizes)).flat().reduce((sum, size) => sum + size, -offset)
    },
  }
}

function piecesOf(bytes: Buffer): readonly Piece[] {
  const pieces: Piece[] = []
  for (let from = 0, end = bytes.indexOf(lf); end !== -1; from = end + 1, end = bytes.indexOf(lf, from))
    pieces.push({ bytes: bytes.subarray(from, end), sizeBytes: end + 1 - from })
  // No line is so long: whoever looks for its end would look for ever.
  if (pieces.length === 0 && bytes.length === chunkBytesMax) return [{ bytes, sizeBytes: bytes.length }]
  return pieces
}

const lf = 0x0a

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** A mark that cannot be read is none: everything is carried on again, and whoever receives it drops what it knows. */
function cursorOf(text: string): Cursor | undefined {
  try {
    return Mark.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

const Mark = z.strictObject({
  stream: z.string().regex(streamIdPattern),
  segment: z.int().min(1),
  offset: z.int().min(0),
})
