import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { signatureBytes, signatureHolds, strictBase64 } from './signature.ts'

/** A tree's size and RFC 6962 root, under the name of its stream. */
export interface Checkpoint {
  /** `<deployment>/evidence/<stream>`. */
  readonly origin: string
  readonly size: number
  readonly root: Buffer
}

/** A checkpoint as read from a note, with what was signed and by whom it claims to be. */
export interface SignedCheckpoint extends Checkpoint {
  /** The signed bytes: the note up to and including the LF before the blank line. */
  readonly body: string
  readonly signatures: readonly NoteSignature[]
}

export interface NoteSignature {
  readonly name: string
  /** First four bytes of the key's hash, see `noteKeyId`. */
  readonly keyId: Buffer
  readonly signature: Buffer
}

/** Signatures one note may carry. A segment's notes carry exactly one; witnesses add theirs elsewhere. */
const noteSignaturesMax = 16

/** What a deployment may be called: a note's name holds no spaces and no plus sign. */
export const deploymentName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** The name a stream's checkpoints and their key carry. Refuses a deployment name that a note could not hold. */
export function originOf(deployment: string, stream: string): string {
  if (!deploymentName.test(deployment))
    throw new RangeError(
      `A deployment is named by letters, digits, dots, dashes and underscores, not ${JSON.stringify(deployment)}.`,
    )
  return `${deployment}/evidence/${stream}`
}

/** The text a checkpoint's signature covers (C2SP tlog-checkpoint, no extension lines). */
export function checkpointBody({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}

/** C2SP signed-note: SHA-256 of name, LF, 0x01 and the Ed25519 key, its first four bytes. */
export function noteKeyId(name: string, publicKey: Uint8Array): Buffer {
  return createHash('sha256').update(`${name}\n`).update(Buffer.of(1)).update(publicKey).digest().subarray(0, 4)
}

/** The signed note: body, blank line, one signature line. */
export function formatNote(body: string, { name, keyId, signature }: NoteSignature): string {
  return `${body}\n\u2014 ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`
}

/** Reads a note. Undefined for anything but the one exact form: no extension lines, canonical numbers, strict base64. */
export function parseNote(note: string): SignedCheckpoint | undefined {
  const match = /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n\n((?:\u2014 [^\n]+\n)+)$/.exec(note)
  if (match === null) return undefined
  const [, origin = '', digits = '', encodedRoot = '', lines = ''] = match
  const size = Number(digits)
  const root = strictBase64(encodedRoot)
  const signatures = lines.slice(0, -1).split('\n').map(parseSignature)
  if (root === undefined || !Number.isSafeInteger(size) || signatures.length > noteSignaturesMax) return undefined
  if (!signatures.every((one) => one !== undefined)) return undefined
  return { origin, size, root, body: `${origin}\n${digits}\n${encodedRoot}\n`, signatures }
}

/** True when the note carries a signature of this key under its origin's name. The key is the one in force, 32 raw bytes and its object. */
export function checkpointHolds(note: SignedCheckpoint, raw: Uint8Array, publicKey: KeyObject): boolean {
  const keyId = noteKeyId(note.origin, raw)
  return note.signatures.some(
    (one) =>
      one.name === note.origin &&
      one.keyId.equals(keyId) &&
      signatureHolds(publicKey, Buffer.from(note.body), one.signature),
  )
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name = '', encoded = ''] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? []
  const blob = strictBase64(encoded)
  if (blob?.length !== 4 + signatureBytes) return undefined
  return { name, keyId: blob.subarray(0, 4), signature: blob.subarray(4) }
}
