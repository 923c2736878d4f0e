import path from 'node:path'
import { linesOf } from '../evidence/lines.ts'
import type { Line, Place } from '../evidence/lines.ts'
import { segmentName } from './evidence-stream-file.ts'
import type { Files } from './files.ts'

/** Where one gateway's streams lie, and where cut bytes and empty streams go. */
export interface StreamPlaces {
  readonly files: Files
  /** One directory per stream. */
  readonly streams: string
  /** Exists. Nothing reads it back but people. */
  readonly quarantine: string
}

/** Largest tail that is cut: several times what one flush may hold. More is not a torn batch. */
const tailBytesMax = 128 * 1_048_576

/** The lines of a stream's segments, in order. None when the stream is not there. */
export async function* linesOfStream(stream: string, { files, streams }: StreamPlaces): AsyncGenerator<Line> {
  for (const { number, file } of await segmentsOf(files, path.join(streams, stream)))
    yield* linesOf(files.read(file), number)
}

/**
 * Moves what follows `cut` to quarantine and gives it: copied, made durable, and only then cut. Without `cut` it gives
 * what an earlier start cut from the same place, before the power went. Throws for a tail that no crash leaves behind.
 */
export async function cutTail(stream: string, cut: Place | undefined, places: StreamPlaces): Promise<Buffer> {
  const { files, streams, quarantine } = places
  const end = cut ?? (await endOf(stream, places))
  if (end === undefined) return Buffer.alloc(0)
  const file = path.join(streams, stream, segmentName(end.segment))
  const copy = path.join(quarantine, `${stream}-${end.segment}-${end.offset}.bin`)
  if (cut !== undefined) {
    if ((await files.size(file)) - cut.offset > tailBytesMax)
      throw new Error(`${file} is damaged from byte ${cut.offset} on, far beyond a torn batch; move it away to go on.`)
    await files.createWhole(copy, await bytesOf(files.read(file, cut.offset)))
    await files.truncate(file, cut.offset)
  }
  return bytesOf(files.read(copy)).catch(() => Buffer.alloc(0))
}

/** Moves a whole stream to quarantine. */
export async function moveToQuarantine(stream: string, { files, streams, quarantine }: StreamPlaces): Promise<void> {
  await files.rename(path.join(streams, stream), path.join(quarantine, stream))
  await files.syncDirectory(streams)
  await files.syncDirectory(quarantine)
}

async function endOf(stream: string, { files, streams }: StreamPlaces): Promise<Place | undefined> {
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
