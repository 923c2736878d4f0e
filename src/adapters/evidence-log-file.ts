import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { unknownEntry } from '../evidence/dangling.ts'
import { delegationMaxMs } from '../evidence/delegation.ts'
import type { Gap, Pinned, Signing } from '../evidence/genesis.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog, Receipt, StoredRecord } from '../ports/evidence-log.ts'
import type { Signer } from '../ports/signer.ts'
import { entryOf, streamOpener } from './evidence-opening-file.ts'
import type { Following, KeyedStream } from './evidence-opening-file.ts'
import { recoverStreams } from './evidence-recovery-file.ts'
import type { Recovered, Recovery } from './evidence-recovery-file.ts'
import { NotDurable, pendingMax } from './evidence-stream-file.ts'
import { nodeFiles } from './files.ts'
import type { Files } from './files.ts'
import { takeLock } from './process-lock.ts'
import type { Lock } from './process-lock.ts'

export interface FileEvidenceLogOptions {
  /** The data directory. Streams go to `streams/<gateway>/`, torn tails to `quarantine/<gateway>/`. */
  readonly directory: string
  readonly gateway: string
  readonly deployment: string
  /** Vouches for the keys of each stream. */
  readonly deploymentSigner: Signer
  /** Deployment keys that older streams may have been opened under (kid to 32 raw bytes). The signer's own always counts. */
  readonly trusted?: ReadonlyMap<string, Uint8Array>
  readonly clock: Clock
  /** `record+checkpoint` unless said otherwise: each record proves itself. */
  readonly signing?: Signing
  readonly files?: Files
  readonly random?: (sizeBytes: number) => Uint8Array
  /** A segment of this size is followed by another. 64 MiB. */
  readonly segmentBytesMax?: number
  /** How long a stream's keys sign before a stream with new keys follows. A day, which is also the most. */
  readonly keyLifeMs?: number
  /** How long to wait, after a stream could not be opened, before trying another. One second. */
  readonly reopenMs?: number
}

/** The log of one gateway, and what it found when it opened. */
export interface FileEvidenceLog extends EvidenceLog {
  readonly recovery: Recovery
}

const gatewayName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/**
 * Opens the evidence log of one gateway: takes its lock, recovers what the last process left, begins a new stream.
 * Refuses when another process holds the lock, when a name is no name, or when the first records cannot be made durable.
 */
export async function openEvidenceLog(options: FileEvidenceLogOptions): Promise<FileEvidenceLog> {
  const { files = nodeFiles() } = options
  const places = await makePlaces(files, options)
  const lock = await takeLock(files, path.join(places.streams, 'lock'))
  try {
    const recovered = await recoverStreams({ files, ...places, trusted: trustedKeys(options) })
    const followers = followerSet()
    const open = streamOpener(
      { ...withDefaults(options), files, ...places, onDurable: followers.tell },
      recovered.newest,
    )
    const log = succession(options, open, await open(resuming(recovered)))
    const { cutBytes, unknown, problems } = recovered
    let closing: Promise<void> | undefined
    return {
      get stream() {
        return log.stream()
      },
      append: log.append,
      follow: followers.add,
      problem: log.problem,
      close: () => (closing ??= closeBoth(log, lock)),
      recovery: { cutBytes, unknown, problems },
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function closeBoth(log: { close(): Promise<void> }, lock: Lock): Promise<void> {
  try {
    await log.close()
  } finally {
    await lock.release()
  }
}

/** An append that waits for the next stream. */
interface Waiting {
  readonly entry: EvidenceEntry
  readonly resolve: (receipt: Promise<Receipt>) => void
  readonly reject: (error: Error) => void
}

/**
 * One stream after another. A stream that failed is followed on the next append, with a `stream.gap`; one whose keys have
 * grown old is closed and followed. Appends wait for the new stream in the order they came.
 */
function succession(
  { clock, reopenMs = 1000 }: FileEvidenceLogOptions,
  open: (following: Following) => Promise<KeyedStream>,
  first: KeyedStream,
) {
  let current = first
  let waiting: Waiting[] | undefined
  let changing: Promise<void> | undefined
  let refusal: { readonly error: NotDurable; readonly untilNs: bigint } | undefined
  let closed = false

  function append(entry: EvidenceEntry): Promise<Receipt> {
    if (closed) return Promise.reject(new NotDurable('CLOSED', 'the log is closed.'))
    if (waiting === undefined && isSound()) return current.add(entry)
    if (waiting === undefined && refusal !== undefined && clock.monoNs() < refusal.untilNs)
      return Promise.reject(refusal.error)
    if (waiting !== undefined && waiting.length >= pendingMax)
      return Promise.reject(new NotDurable('BUSY', `${pendingMax} records already wait for a new stream.`))
    return new Promise((resolve, reject) => {
      waiting ??= beginChange()
      waiting.push({ entry, resolve, reject })
    })
  }

  function isSound(): boolean {
    return current.failure() === undefined && current.tsMs() <= current.keysUntilMs
  }

  function beginChange(): Waiting[] {
    changing = follow()
    return []
  }

  async function follow(): Promise<void> {
    try {
      current = await next()
      refusal = undefined
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? (error as Error).name
      const cause = new NotDurable(code, `no new stream can be opened (${code}). Free the disk or mend it.`)
      refusal = { error: cause, untilNs: clock.monoNs() + BigInt(reopenMs) * 1_000_000n }
    }
    const queue = waiting ?? []
    waiting = undefined
    changing = undefined
    for (const { entry, resolve, reject } of queue) {
      if (refusal === undefined) resolve(current.add(entry))
      else reject(refusal.error)
    }
  }

  async function next(): Promise<KeyedStream> {
    // An old key signs nothing more, not even `stream.close`: the successor's genesis says how far the stream went.
    if (current.failure() === undefined) await current.close().catch(() => undefined)
    const pinned: Pinned = { id: current.id, ...current.head() }
    const failure = current.failure()
    return open({ pinned, how: failure === undefined ? [] : [gapEntry(pinned, failure)] })
  }

  async function close(): Promise<void> {
    closed = true
    await changing
    if (!isSound()) await follow()
    if (!isSound()) return
    const last = current.add({ type: 'stream.close' })
    await Promise.all([last, current.close()])
  }

  return {
    stream: () => current.id,
    append,
    problem: () => (refusal?.error ?? current.failure())?.message,
    close,
  }
}

function gapEntry({ id, size, root }: Pinned, { code }: NotDurable): EvidenceEntry {
  const gap: Gap = { stream: id, size, root, reason: code }
  return entryOf('stream.gap', gap)
}

function resuming({ pinned, resume, intents }: Recovered): Following {
  if (pinned === undefined) return { how: [] }
  return { pinned, how: [entryOf('stream.resume', resume), ...intents.map(unknownEntry)] }
}

function followerSet() {
  const followers = new Set<(record: StoredRecord) => void>()

  const tell = (records: readonly StoredRecord[]): void => {
    for (const follower of followers)
      try {
        for (const record of records) follower(record)
      } catch {
        followers.delete(follower)
      }
  }
  const add = (follower: (record: StoredRecord) => void) => {
    followers.add(follower)
    return () => void followers.delete(follower)
  }
  return { tell, add }
}

async function makePlaces(files: Files, { directory, gateway }: FileEvidenceLogOptions) {
  if (!gatewayName.test(gateway))
    throw new RangeError(
      `A gateway is named by letters, digits, dots, dashes and underscores, not ${JSON.stringify(gateway)}.`,
    )
  const places = {
    streams: path.join(directory, 'streams', gateway),
    quarantine: path.join(directory, 'quarantine', gateway),
  }
  for (const place of [directory, ...Object.values(places).flatMap((one) => [path.dirname(one), one])])
    await files.makeDirectory(place)
  return places
}

function trustedKeys({ trusted, deploymentSigner }: FileEvidenceLogOptions): ReadonlyMap<string, Uint8Array> {
  return new Map([...(trusted ?? []), [deploymentSigner.kid, deploymentSigner.publicKey]])
}

function withDefaults(options: FileEvidenceLogOptions) {
  const { deployment, deploymentSigner, clock, signing = 'record+checkpoint', random = randomBytes } = options
  const { segmentBytesMax = 64 * 1_048_576, keyLifeMs = delegationMaxMs } = options
  if (keyLifeMs > delegationMaxMs) throw new RangeError('A stream key signs for a day at most.')
  return { deployment, deploymentSigner, clock, signing, random, segmentBytesMax, keyLifeMs }
}
