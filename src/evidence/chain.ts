import { hash } from 'node:crypto'
import type { JsonObject } from '../ports/json.ts'
import { canonicalizeIntegers } from './canonical.ts'
import type { EvidenceEntry, EvidenceRecord } from './record.ts'
import { signatureBytes, strictBase64 } from './signature.ts'

/*
 * The lines of a segment, each ended by LF:
 *
 *   record       <RFC 8785 bytes> TAB <base64 of the 64-byte signature, or nothing when only checkpoints are signed>
 *   checkpoint   C TAB <base64url, unpadded, of the signed note>
 *
 * Hashes and signatures cover the stored bytes, never a re-serialisation. The signature is outside the leaf, so another
 * key or an altered signature never changes a hash. `cp.h` is the SHA-256 of a checkpoint line without its LF; `cp.n`
 * counts the stream's checkpoints from 0.
 */

/** What a record's signature says it signs (DSSE payload type). */
export const payloadType = 'application/vnd.sluicegate.evidence.v1+json'

/** Largest record: tlog bundles carry lengths in 16 bits. */
export const recordBytesMax = 65_535

/** Largest line without its LF: a record, a TAB and a signature. */
export const lineBytesMax = recordBytesMax + 1 + 88

/** `prev` of the first record. */
export const genesisPrev = '0'.repeat(64)

/** A record's place in its stream. */
export type Position = Pick<EvidenceRecord, 'stream' | 'seq' | 'prev' | 'cp' | 'tsMs' | 'wallMs' | 'monoNs' | 'boot'>

/** A record in its one byte form. */
export interface Sealed {
  readonly record: EvidenceRecord
  readonly text: string
  readonly bytes: Buffer
  /** RFC 6962 leaf hash of the bytes. */
  readonly leaf: Buffer
}

/**
 * Gives an entry its place and its byte form. Refuses what has no canonical form, a number that is no safe integer, and a
 * record of more than `recordBytesMax` bytes. Whether the fields are those of its type is the schema's to say.
 */
export function seal(entry: EvidenceEntry, position: Position): Sealed {
  const record: EvidenceRecord = { ...entry, ...position, v: 1 }
  const text = canonicalizeIntegers(record as unknown as JsonObject)
  const bytes = Buffer.from(text)
  if (bytes.length > recordBytesMax)
    throw new RangeError(`A ${record.type} record of ${bytes.length} bytes is larger than ${recordBytesMax}.`)
  return { record, text, bytes, leaf: leafHash(bytes) }
}

/** RFC 6962 §2.1: SHA-256 of 0x00 and the record's bytes. */
export function leafHash(bytes: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(bytes.length + 1)
  prefixed[0] = 0
  prefixed.set(bytes, 1)
  return hash('sha256', prefixed, 'buffer')
}

/** RFC 6962 §2.1: SHA-256 of 0x01 and the two children. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(65)
  prefixed[0] = 1
  prefixed.set(left, 1)
  prefixed.set(right, 33)
  return hash('sha256', prefixed, 'buffer')
}

/** DSSE v1 pre-authentication encoding: the exact bytes that are signed for a payload of this type. */
export function pae(type: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.length} `), body])
}

/** A record's line, LF included. Without a signature the field stays, empty. */
export function formatRecordLine(text: string, signature?: Uint8Array): string {
  return `${text}\t${signature === undefined ? '' : Buffer.from(signature).toString('base64')}\n`
}

/** A checkpoint's line, LF included. */
export function formatCheckpointLine(note: string): string {
  return `C\t${Buffer.from(note).toString('base64url')}\n`
}

/** SHA-256 of a line without its LF, lowercase hex: what `cp.h` holds. */
export function lineHash(line: Uint8Array | string): string {
  return hash('sha256', line, 'hex')
}

/** Why a line cannot be read at all. */
export type Malformation =
  'line-too-long' | 'no-signature-field' | 'not-utf8' | 'signature-encoding' | 'checkpoint-encoding'

export type ParsedLine =
  | { readonly kind: 'record'; readonly text: string; readonly bytes: Uint8Array; readonly signature: Buffer }
  | { readonly kind: 'checkpoint'; readonly note: string }
  | { readonly kind: 'malformed'; readonly why: Malformation }

/**
 * Takes a line apart, LF already removed. Judges the line's own form only: bytes, field and encodings, never the JSON or
 * the signature's truth. A record's signature is empty or 64 bytes.
 */
export function parseLine(line: Uint8Array): ParsedLine {
  if (line.length > lineBytesMax) return malformed('line-too-long')
  if (line[0] === 0x43 && line[1] === 0x09) return parseCheckpointLine(line.subarray(2))
  const tab = line.indexOf(0x09)
  if (tab === -1) return malformed('no-signature-field')
  const bytes = line.subarray(0, tab)
  const text = utf8(bytes)
  if (text === undefined) return malformed('not-utf8')
  const signature = strictBase64(latin1(line.subarray(tab + 1)))
  if (signature === undefined || (signature.length !== 0 && signature.length !== signatureBytes))
    return malformed('signature-encoding')
  return { kind: 'record', text, bytes, signature }
}

function parseCheckpointLine(encoded: Uint8Array): ParsedLine {
  const bytes = strictBase64(latin1(encoded), 'base64url')
  const note = bytes && utf8(bytes)
  return note === undefined ? malformed('checkpoint-encoding') : { kind: 'checkpoint', note }
}

function malformed(why: Malformation): ParsedLine {
  return { kind: 'malformed', why }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
