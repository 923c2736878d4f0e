import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { unknownEntry } from '../evidence/dangling.ts'
import { delegationMaxMs } from '../evidence/delegation.ts'
import type { Signing } from '../evidence/genesis.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog, StoredRecord } from '../ports/evidence-log.ts'
import type { Signer } from '../ports/signer.ts'
import { entryOf, streamOpener } from './evidence-opening-file.ts'
import type { Following } from './evidence-opening-file.ts'
import { recoverStreams } from './evidence-recovery-file.ts'
import type { Recovered, Recovery } from './evidence-recovery-file.ts'
import { succession } from './evidence-succession-file.ts'
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
  const { files = nodeFiles(), clock, reopenMs = 1000 } = options
  const places = await makePlaces(files, options)
  const lock = await takeLock(files, path.join(places.streams, 'lock'))
  try {
    const recovered = await recoverStreams({ files, ...places, trusted: trustedKeys(options) })
    const followers = followerSet()
    const open = streamOpener(
      { ...withDefaults(options), files, ...places, onDurable: followers.tell },
      recovered.newest,
    )
    const log = succession({ clock, reopenMs, open, first: await open(resuming(recovered)) })
    const { cutBytes, unknown, problems } = recovered
    let closing: Promise<void> | undefined
    return {
      get stream() {
        return log.stream()
      },
      append: (entry) => log.append(entry),
      follow: followers.add,
      problem: () => log.problem(),
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
  if (keyLifeMs < 60_000 || keyLifeMs > delegationMaxMs)
    throw new RangeError('The keys of a stream sign for a minute at least and a day at most.')
  return { deployment, deploymentSigner, clock, signing, random, segmentBytesMax, keyLifeMs }
}
