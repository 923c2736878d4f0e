import path from 'node:path'
import { batchWriter } from '../evidence/batch.ts'
import type { Head, Placed, StreamIdentity } from '../evidence/batch.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Receipt, StoredRecord } from '../ports/evidence-log.ts'
import type { AppendFile, Files } from './files.ts'

/** Records that may wait for one flush. More are refused: whoever appends faster than the disk takes it must slow down. */
export const pendingMax = 8_192

/** Bytes that may wait for one flush. */
const pendingBytesMax = 32 * 1_048_576

/** The record is not durable, and never will be under this receipt. */
export class NotDurable extends Error {
  /** The system's error code, e.g. `EIO`, or a word of ours. */
  readonly code: string
  constructor(code: string, why: string) {
    super(`The evidence log cannot make a record durable: ${why}`)
    this.name = 'NotDurable'
    this.code = code
  }
}

export interface StreamOptions {
  readonly files: Files
  /** The stream's own directory, which exists and is empty. */
  readonly directory: string
  readonly identity: StreamIdentity
  readonly segmentBytesMax: number
  /** Hears of every batch that became durable, before the appends of it resolve. Must not throw. */
  readonly onDurable: (records: readonly StoredRecord[]) => void
}

/** One stream on disk, open for appending. */
export interface FileStream {
  readonly id: string
  add(entry: EvidenceEntry): Promise<Receipt>
  /** What was acknowledged. */
  head(): Head
  /** `tsMs` that a record added now would carry. */
  tsMs(): number
  /** Why nothing can be added any more. */
  failure(): NotDurable | undefined
  /** Waits for what was added, then closes the file. Rejects when some of it did not become durable. */
  close(): Promise<void>
}

interface Waiting {
  readonly placed: Placed
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: Error) => void
}

/** Creates the stream's first segment and makes the opening records durable, in one batch. Rejects when it cannot. */
export async function openStream(options: StreamOptions, opening: readonly EvidenceEntry[]): Promise<FileStream> {
  const stream = appendStream(options, await openSegment(options, 1))
  try {
    await Promise.all(opening.map((entry) => stream.add(entry)))
    return stream
  } catch (error) {
    await stream.close().catch(() => undefined)
    throw error
  }
}

/**
 * Natural group commit: one flush in flight, and whatever arrives meanwhile forms the next batch. Records are placed,
 * hashed and signed as they arrive, so the processor works while the disk does.
 *
 * After any error the file is never written or flushed again: what a second attempt reports as done may be gone.
 */
function appendStream(options: StreamOptions, first: AppendFile): FileStream {
  const { identity } = options
  const { stream: id, clock } = identity
  const writer = batchWriter(identity)
  let segment = { number: 1, file: first, sizeBytes: 0 }
  let acknowledged = writer.head()
  let pending: Waiting[] = []
  let pendingBytes = 0
  let flushing: Promise<void> | undefined
  let soon: NodeJS.Immediate | undefined
  let failure: NotDurable | undefined
  let closed = false

  function add(entry: EvidenceEntry): Promise<Receipt> {
    const refusal = failure ?? refused()
    if (refusal !== undefined) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      const placed = writer.add(entry)
      pending.push({ placed, resolve, reject })
      pendingBytes += placed.sizeBytes
      // Callers that were woken together arrive together: the first waits one turn for the others.
      if (flushing === undefined) soon ??= setImmediate(flush)
    })
  }

  function refused(): NotDurable | undefined {
    if (closed) return new NotDurable('CLOSED', 'the stream is closed.')
    // The opening is one batch however many dangling intents it settles; only what follows is held back.
    if (acknowledged.size > 0 && (pending.length >= pendingMax || pendingBytes >= pendingBytesMax))
      return new NotDurable('BUSY', `${pending.length} records already wait for the disk.`)
    return undefined
  }

  function flush(): void {
    clearImmediate(soon)
    soon = undefined
    if (flushing === undefined && pending.length > 0) flushing = flushBatch()
  }

  async function flushBatch(): Promise<void> {
    const batch = pending
    pending = []
    pendingBytes = 0
    try {
      acknowledged = await commit()
      acknowledge(batch)
    } catch (error) {
      poison(error, batch)
    }
    flushing = undefined
    flush()
  }

  async function settled(): Promise<void> {
    if (flushing === undefined) return
    await flushing
    await settled()
  }

  /** Writes what the writer holds, and gives the stream's size and root with it. */
  async function commit(): Promise<Head> {
    const bytes = writer.finish()
    const head = writer.head()
    if (segment.sizeBytes >= options.segmentBytesMax) segment = await nextSegment()
    await writeAll(segment.file, bytes)
    await segment.file.datasync()
    segment.sizeBytes += bytes.length
    return head
  }

  async function nextSegment() {
    await segment.file.close()
    const number = segment.number + 1
    return { number, file: await openSegment(options, number), sizeBytes: 0 }
  }

  function acknowledge(batch: readonly Waiting[]): void {
    const durable = { durableMs: clock.nowMs(), durableNs: clock.monoNs() }
    options.onDurable(
      batch.map(({ placed: { seq, leaf, text } }) => ({ stream: id, seq, leaf, text, durableNs: durable.durableNs })),
    )
    for (const { placed, resolve } of batch) resolve({ stream: id, seq: placed.seq, leaf: placed.leaf, ...durable })
  }

  function poison(error: unknown, batch: readonly Waiting[]): void {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).name
    failure = new NotDurable(
      code,
      `${path.basename(options.directory)} failed with ${code}; its file is not written again.`,
    )
    const lost = [...batch, ...pending]
    pending = []
    pendingBytes = 0
    for (const waiting of lost) waiting.reject(failure)
    void quietly(segment.file.close())
  }

  return {
    id,
    add,
    head: () => acknowledged,
    tsMs: () => writer.tsMs(),
    failure: () => failure,
    async close() {
      closed = true
      flush()
      await settled()
      if (failure !== undefined) throw failure
      await segment.file.close()
    },
  }
}

/** The name of a segment's file. */
export function segmentName(number: number): string {
  return `seg-${String(number).padStart(8, '0')}.log`
}

async function openSegment({ files, directory }: StreamOptions, number: number): Promise<AppendFile> {
  const file = await files.create(path.join(directory, segmentName(number)))
  await files.syncDirectory(directory)
  return file
}

/** A file that failed once is closed, whatever it says to that. */
async function quietly(closing: Promise<void>): Promise<void> {
  await closing.catch(() => undefined)
}

/** Loops until every byte is taken: a full disk takes some and says nothing. */
async function writeAll(file: AppendFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const taken = await file.write(bytes.subarray(written))
    if (taken <= 0) throw Object.assign(new Error('The file takes no more bytes.'), { code: 'EIO' })
    written += taken
  }
}
