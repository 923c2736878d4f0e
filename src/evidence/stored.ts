import type { JsonObject } from '../ports/json.ts'
import { canonicalizeIntegers } from './canonical.ts'
import type { Malformation } from './chain.ts'
import { leafHash, parseLine, recordBytesMax } from './chain.ts'
import type { SignedCheckpoint } from './checkpoint.ts'
import { parseNote } from './checkpoint.ts'
import type { ProblemCode } from './problem.ts'
import { demand, Flaw } from './problem.ts'
import { EvidenceRecord } from './record.ts'

/** A record as it was read back: the parsed form, and the exact bytes that are hashed and signed. */
export interface Stored {
  readonly kind: 'record'
  readonly record: EvidenceRecord
  readonly text: string
  readonly bytes: Uint8Array
  readonly leaf: Buffer
  /** Empty when only checkpoints are signed. */
  readonly signature: Buffer
}

/** A line that was read back. `hash` lines stand in bundles for records that are not shown. */
export type StoredLine =
  | Stored
  | { readonly kind: 'checkpoint'; readonly note: SignedCheckpoint }
  | { readonly kind: 'hash'; readonly leaf: Buffer }

const codeOf: Readonly<Record<Malformation, ProblemCode>> = {
  'line-too-long': 'RECORD_MALFORMED',
  'no-signature-field': 'RECORD_MALFORMED',
  'not-utf8': 'BAD_UTF8',
  'signature-encoding': 'BAD_SIG_ENCODING',
  'checkpoint-encoding': 'CHECKPOINT_MALFORMED',
}

/** Reads a line, LF removed. Throws a `Flaw` for everything that is not exactly one of the three forms. */
export function readLine(line: Uint8Array, hashesAllowed: boolean): StoredLine {
  if (line[0] === 0x48 && hashesAllowed) return readHash(line)
  demand(line[0] === 0x7b || line[0] === 0x43, 'RECORD_MALFORMED', 'The line is neither a record nor a checkpoint.')
  const parsed = parseLine(line)
  if (parsed.kind === 'malformed') throw new Flaw(codeOf[parsed.why], `The line is malformed: ${parsed.why}.`)
  if (parsed.kind === 'record') {
    demand(parsed.bytes.length <= recordBytesMax, 'RECORD_MALFORMED', 'The record is larger than any record may be.')
    return { ...parsed, record: readRecordText(parsed.text), leaf: leafHash(parsed.bytes) }
  }
  const note = parseNote(parsed.note)
  demand(note?.signatures.length === 1, 'CHECKPOINT_MALFORMED', 'The checkpoint is not a note with one signature.')
  return { kind: 'checkpoint', note }
}

/** Reads a record's text. Throws a `Flaw` unless it is canonical, of a known version, and fits the schema. */
export function readRecordText(text: string): EvidenceRecord {
  const value = parsedJson(text)
  demand(canonicalOf(value) === text, 'NOT_CANONICAL', 'The record is not in the canonical form of RFC 8785.')
  demand(!text.includes('"__proto__":'), 'BAD_SCHEMA', 'The record has a field named __proto__.')
  const { v } = value as { readonly v?: unknown }
  demand(v === 1, 'UNSUPPORTED_VERSION', 'The record is not of version 1.')
  const read = EvidenceRecord.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new Flaw('BAD_SCHEMA', `The record does not fit its schema: ${issue?.path.join('.')} ${issue?.message}.`)
}

function readHash(line: Uint8Array): StoredLine {
  const match = /^H\t([0-9a-f]{64})$/.exec(Buffer.from(line).toString('latin1'))
  demand(match !== null, 'RECORD_MALFORMED', 'The leaf hash is malformed.')
  return { kind: 'hash', leaf: Buffer.from(match[1] as string, 'hex') }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Flaw('RECORD_MALFORMED', 'The record is not JSON.')
  }
}

function canonicalOf(value: unknown): string | undefined {
  try {
    return canonicalizeIntegers(value as JsonObject)
  } catch {
    return undefined
  }
}
