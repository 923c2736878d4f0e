import type { EvidenceEntry } from '../evidence/record.ts'

/** Proof that one record is durable. Only an evidence log makes these, and nothing is answered without one. */
export interface Receipt {
  readonly stream: string
  readonly seq: number
  /** RFC 6962 leaf hash of the stored bytes, lowercase hex. */
  readonly leaf: string
  /** The clock's milliseconds when the record became durable. */
  readonly durableMs: number
  /** The monotonic clock at the same moment; detection and enforcement latencies count from here. */
  readonly durableNs: bigint
}

/** True for a receipt. What merely resolved is no proof. */
export function isReceipt(said: Receipt | undefined): said is Receipt {
  return typeof said?.stream === 'string' && Number.isSafeInteger(said.seq)
}

/** One stored line, as a follower reads it: the exact bytes that were hashed and signed. */
export interface StoredRecord {
  readonly stream: string
  readonly seq: number
  readonly leaf: string
  /** The RFC 8785 bytes of the record, as UTF-8 text. */
  readonly text: string
  readonly durableNs: bigint
}

/**
 * An append-only log of records, signed and hash-chained.
 *
 * Promises, run on every adapter by the contract test:
 * - `append` resolves only when the record would survive a power cut, and rejects otherwise; a rejected entry is never reported as appended;
 * - records keep the order in which `append` was called;
 * - a failed write or flush is never retried on the same file: the log refuses until a new stream is open;
 * - followers see a record only after it is durable, in order, once.
 */
export interface EvidenceLog {
  /** The stream of this process; a new one for each incarnation. */
  readonly stream: string
  append(entry: EvidenceEntry): Promise<Receipt>
  /** Calls `follower` for each record made durable from now on. Returns how to stop. A throwing follower is dropped, never the log. */
  follow(follower: (record: StoredRecord) => void): () => void
  /** Why the log refuses to append, or undefined while it is healthy. A log that waits for an append to try again tries when it is asked, too. */
  problem(): string | undefined
  /** Writes `stream.close` and the last checkpoint, then releases the files. */
  close(): Promise<void>
}
