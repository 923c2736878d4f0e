import type { Clock } from '../ports/clock.ts'
import { formatCheckpointLine, formatRecordLine, genesisPrev, lineHash, pae, payloadType, seal } from './chain.ts'
import type { Position, Sealed } from './chain.ts'
import { checkpointBody, formatNote, noteKeyId } from './checkpoint.ts'
import { appendLeaf, emptyFrontier, rootOf } from './merkle.ts'
import { EvidenceRecord } from './record.ts'
import type { EvidenceEntry } from './record.ts'

/** Signs at once: the keys of a stream live in this process. */
interface InstantSigner {
  readonly publicKey: Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

/** Whose records these are, and who signs them. */
export interface StreamIdentity {
  readonly stream: string
  /** Name of checkpoints and of their key, see `originOf`. */
  readonly origin: string
  /** Random 128-bit id of the process, hex. */
  readonly boot: string
  /** Absent when only checkpoints are signed. */
  readonly recordSigner?: InstantSigner
  readonly checkpointSigner: InstantSigner
  readonly clock: Clock
  /** When the keys began to be valid: no record is earlier, whatever the clock does next. */
  readonly notBeforeMs: number
}

/** A record that has its place, and is not yet durable. */
export interface Placed {
  readonly seq: number
  readonly text: string
  /** Leaf hash, lowercase hex. */
  readonly leaf: string
  /** Size of its line. */
  readonly sizeBytes: number
}

/** How far a stream has come. */
export interface Head {
  readonly size: number
  /** Lowercase hex. */
  readonly root: string
}

/** Turns entries into the bytes of a stream, batch after batch. Does no I/O: whoever writes the bytes must write them all, in order, or stop. */
export interface BatchWriter {
  /** Gives an entry its place in the batch. Throws for one that cannot be a record; the batch is then as it was. */
  add(entry: EvidenceEntry): Placed
  /** Everything added since the last `finish`, with the checkpoint over it. Empty when nothing was added. */
  finish(): Buffer
  /** The stream with everything added so far. */
  head(): Head
  /** `tsMs` that a record added now would carry. */
  tsMs(): number
}

/** An entry that no record can hold: a schema error, a number that is no safe integer, more than 65,535 bytes. */
class EntryRefused extends Error {
  constructor(type: string, why: string) {
    super(`A ${type} entry cannot be recorded: ${why}`)
    this.name = 'EntryRefused'
  }
}

/** Begins the first batch of a stream. */
export function batchWriter(identity: StreamIdentity): BatchWriter {
  const { stream, boot, recordSigner, clock } = identity
  const signCheckpoint = checkpointSigner(identity)
  let frontier = emptyFrontier
  let prev = genesisPrev
  let cp: EvidenceRecord['cp']
  let lastMs = identity.notBeforeMs
  let checkpoints = 0
  let lines: string[] = []

  const tsMs = () => Math.max(clock.nowMs(), lastMs)

  return {
    tsMs,
    add(entry) {
      const place = {
        stream,
        seq: frontier.size,
        prev,
        tsMs: tsMs(),
        wallMs: clock.nowMs(),
        monoNs: String(clock.monoNs()),
        boot,
      }
      const { text, bytes, leaf } = sealed(entry, cp === undefined ? place : { ...place, cp })
      const line = formatRecordLine(text, recordSigner?.sign(pae(payloadType, bytes)))
      // From here on nothing can throw: the record has its place.
      lines.push(line)
      frontier = appendLeaf(frontier, leaf)
      prev = leaf.toString('hex')
      cp = undefined
      lastMs = place.tsMs
      return { seq: place.seq, text, leaf: prev, sizeBytes: Buffer.byteLength(line) }
    },
    finish() {
      if (lines.length === 0) return Buffer.alloc(0)
      const line = formatCheckpointLine(signCheckpoint(frontier.size, rootOf(frontier)))
      cp = { n: checkpoints++, h: lineHash(line.slice(0, -1)) }
      const bytes = Buffer.from(lines.join('') + line)
      lines = []
      return bytes
    },
    head: () => ({ size: frontier.size, root: rootOf(frontier).toString('hex') }),
  }
}

function sealed(entry: EvidenceEntry, position: Position): Sealed {
  try {
    const result = seal(entry, position)
    const { success, error } = EvidenceRecord.safeParse(result.record)
    if (!success) throw new TypeError(reasons(error.issues))
    return result
  } catch (error) {
    throw new EntryRefused(entry.type, (error as Error).message)
  }
}

function reasons(issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]): string {
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
}

function checkpointSigner({ origin, checkpointSigner: signer }: StreamIdentity) {
  const keyId = noteKeyId(origin, signer.publicKey)
  return (size: number, root: Buffer) => {
    const body = checkpointBody({ origin, size, root })
    return formatNote(body, { name: origin, keyId, signature: Buffer.from(signer.sign(Buffer.from(body))) })
  }
}
