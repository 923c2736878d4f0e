/**
 * Everything a verifier can find. The names are fixed: people script against them, and the independent verifier uses the same.
 * docs/evidence-format.md says what each one means.
 */
export const problemCodes = [
  'RECORD_MALFORMED',
  'BAD_UTF8',
  'NOT_CANONICAL',
  'UNSUPPORTED_VERSION',
  'BAD_SCHEMA',
  'WRONG_STREAM',
  'GENESIS_MISSING',
  'GAP',
  'ORDER',
  'DUPLICATE_SEQ',
  'FORK',
  'CHAIN_BREAK',
  'SEGMENT_MISSING',
  'SEGMENT_ORDER',
  'CLOCK_ROLLBACK',
  'BAD_SIG_ENCODING',
  'SIGNATURE_STRIPPED',
  'BAD_RECORD_SIG',
  'CHECKPOINT_MALFORMED',
  'CHECKPOINT_CHAIN_BREAK',
  'CHECKPOINT_MISMATCH',
  'BAD_CHECKPOINT_SIG',
  'EQUIVOCATION',
  'WRONG_ORIGIN',
  'BAD_DELEGATION',
  'BAD_ROTATION',
  'KID_MISMATCH',
  'WEAK_KEY',
  'WRONG_KEY_PURPOSE',
  'KEY_EXPIRED',
  'KEY_NOT_YET_VALID',
  'TRUNCATED',
  'STREAM_MISSING',
  'BUNDLE_UNSAFE',
  'MANIFEST_MISMATCH',
  'INCOMPLETE_TRACE',
  'SUBJECT_MISMATCH',
  'VERIFIER_DISAGREEMENT',
  'UNTRUSTED_KEY',
  'TORN_TAIL',
  'UNSIGNED_TAIL',
  'OPEN_TAIL',
  'SEGMENT_ALONE',
] as const

export type ProblemCode = (typeof problemCodes)[number]

/** Codes that mean "cannot say" rather than "tampered". */
const soft: ReadonlySet<ProblemCode> = new Set([
  'UNTRUSTED_KEY',
  'TORN_TAIL',
  'UNSIGNED_TAIL',
  'OPEN_TAIL',
  'SEGMENT_ALONE',
])

/** What is wrong, and where: everything needed to put a finger on the byte. */
export interface Problem {
  readonly code: ProblemCode
  readonly stream?: string
  /** Segment file, or the file in a bundle. */
  readonly segment?: string
  /** The record that should stand here, counted from 0. */
  readonly seq?: number
  /** Byte in the segment at which the offending line begins. */
  readonly offset?: number
  /** The last record before the first problem of the stream; -1 when there is none. */
  readonly lastGoodSeq?: number
  /** Size under the last good checkpoint before it; 0 when there is none. */
  readonly lastGoodCheckpoint?: number
  readonly message: string
}

/** 0: intact. 1: tampered. 2: incomplete or untrusted; 1 beats 2. */
export function exitCodeOf(problems: readonly Problem[]): 0 | 1 | 2 {
  if (problems.some(({ code }) => !soft.has(code))) return 1
  return problems.length > 0 ? 2 : 0
}

/** Refuses one line or file; whoever judges the stream adds the place. */
export class Flaw extends Error {
  readonly code: ProblemCode
  constructor(code: ProblemCode, message: string) {
    super(message)
    this.name = 'Flaw'
    this.code = code
  }
}

/** Goes on when the claim holds; throws a `Flaw` otherwise. */
export function demand(holds: boolean, code: ProblemCode, message: string): asserts holds {
  if (!holds) throw new Flaw(code, message)
}
