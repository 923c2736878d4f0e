import path from 'node:path'
import { originOf } from '../evidence/checkpoint.ts'
import { makeDelegation } from '../evidence/delegation.ts'
import type { Delegation } from '../evidence/delegation.ts'
import type { Genesis, KeyIntroduction, Pinned, Signing } from '../evidence/genesis.ts'
import type { EvidenceEntry, RecordType } from '../evidence/record.ts'
import { streamId } from '../evidence/stream-id.ts'
import type { Clock } from '../ports/clock.ts'
import type { StoredRecord } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Signer } from '../ports/signer.ts'
import { openStream } from './evidence-stream-file.ts'
import type { FileStream } from './evidence-stream-file.ts'
import type { Files } from './files.ts'
import { ephemeralSigner } from './signer-local.ts'
import type { LocalSigner } from './signer-local.ts'

export interface OpeningOptions {
  readonly files: Files
  /** The gateway's directory of streams, and where streams go that never opened. Both exist. */
  readonly streams: string
  readonly quarantine: string
  readonly deployment: string
  readonly deploymentSigner: Signer
  readonly clock: Clock
  readonly signing: Signing
  readonly random: (sizeBytes: number) => Uint8Array
  readonly segmentBytesMax: number
  readonly keyLifeMs: number
  readonly onDurable: (records: readonly StoredRecord[]) => void
}

/** What a new stream says of the one before it. */
export interface Following {
  readonly pinned?: Pinned
  /** Records after genesis and keys: how this stream came about, and what it settles. */
  readonly how: readonly EvidenceEntry[]
}

/** A stream and how long its keys may sign. */
export interface KeyedStream extends FileStream {
  /** Milliseconds since the epoch. A record with a later `tsMs` needs another stream. */
  readonly keysUntilMs: number
}

/** Begins streams, each with keys of its own that exist in memory only. `newest` is the newest stream on disk. */
export function streamOpener(options: OpeningOptions, newest: string | undefined) {
  const { files, streams, clock, random } = options
  const boot = Buffer.from(random(16)).toString('hex')
  let latest = newest

  /** Streams that never opened and could not be moved away. */
  let strays: readonly string[] = []

  return async (following: Following): Promise<KeyedStream> => {
    const stream = (latest = streamId(clock.nowMs(), random(10), latest))
    const directory = path.join(streams, stream)
    try {
      await files.makeDirectory(directory)
      const opened = await openKeyed(options, { stream, directory, boot }, following)
      strays = await setAside(options, strays)
      return opened
    } catch (error) {
      strays = await setAside(options, [...strays, stream])
      throw error
    }
  }
}

async function openKeyed(
  options: OpeningOptions,
  { stream, directory, boot }: { readonly stream: string; readonly directory: string; readonly boot: string },
  { pinned, how }: Following,
): Promise<KeyedStream> {
  const { files, deployment, clock, signing, segmentBytesMax, onDurable } = options
  const origin = originOf(deployment, stream)
  const keys = keysFor(signing)
  const notBefore = clock.nowMs()
  const notAfter = notBefore + options.keyLifeMs
  const delegations = await Promise.all(
    keys.map(({ purpose, signer }) =>
      makeDelegation(delegation({ purpose, signer, stream, notBefore, notAfter }), options.deploymentSigner),
    ),
  )
  const genesis: Genesis = { deployment, signing, delegations, ...(pinned && { prevStream: pinned }) }
  const introductions = keys.map(({ purpose, signer }): KeyIntroduction => ({ kid: signer.kid, purpose }))
  const opening = [
    entryOf('stream.genesis', genesis),
    ...introductions.map((key) => entryOf('key.introduce', key)),
    ...how,
  ]

  const signers = Object.fromEntries(keys.map(({ purpose, signer }) => [purpose, signer]))
  const { record: recordSigner, checkpoint: checkpointSigner } = signers as {
    record?: LocalSigner
    checkpoint: LocalSigner
  }
  const identity = {
    stream,
    origin,
    boot,
    clock,
    notBeforeMs: notBefore,
    checkpointSigner,
    ...(recordSigner && { recordSigner }),
  }
  const opened = await openStream({ files, directory, identity, segmentBytesMax, onDurable }, opening)
  // A record placed in the very last moment must not carry a time beyond it.
  return { ...opened, keysUntilMs: notAfter - 1000 }
}

/** A record of the log itself: a type and what it says. */
export function entryOf(type: RecordType, ext: object): EvidenceEntry {
  return { type, ext: ext as JsonObject }
}

function keysFor(signing: Signing) {
  const purposes = signing === 'checkpoint' ? (['checkpoint'] as const) : (['record', 'checkpoint'] as const)
  return purposes.map((purpose) => ({ purpose, signer: ephemeralSigner() }))
}

function delegation(key: {
  readonly purpose: Delegation['purpose']
  readonly signer: LocalSigner
  readonly stream: string
  readonly notBefore: number
  readonly notAfter: number
}): Delegation {
  const { signer, ...rest } = key
  return { v: 1, kid: signer.kid, pub: Buffer.from(signer.publicKey).toString('base64'), ...rest }
}

/**
 * Moves streams to quarantine that never opened: they follow nothing, and nothing follows them. Gives those that cannot be
 * moved; the next stream tries again, and so does the next start.
 */
async function setAside({ files, streams, quarantine }: OpeningOptions, ids: readonly string[]) {
  const left: string[] = []
  for (const id of ids) {
    const moved = files.rename(path.join(streams, id), path.join(quarantine, id))
    await moved.catch(({ code }: NodeJS.ErrnoException) => code !== 'ENOENT' && left.push(id))
  }
  if (left.length < ids.length) await syncQuietly(files, [streams, quarantine])
  return left
}

async function syncQuietly(files: Files, directories: readonly string[]): Promise<void> {
  for (const directory of directories) await files.syncDirectory(directory).catch(() => undefined)
}
