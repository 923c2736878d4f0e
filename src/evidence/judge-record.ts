import { pae, payloadType } from './chain.ts'
import { soundSignature } from './envelope.ts'
import type { Claim, Head } from './head.ts'
import { problemAt } from './head.ts'
import type { StreamKeys } from './keys.ts'
import { keyAt } from './keys.ts'
import type { ProblemCode } from './problem.ts'
import { demand, Flaw } from './problem.ts'
import { signatureHolds } from './signature.ts'
import type { Stored } from './stored.ts'

/** Flaws of a record that does not belong where it stands: the next line is judged as if it were not there. */
export const strays: ReadonlySet<ProblemCode> = new Set([
  'WRONG_STREAM',
  'DUPLICATE_SEQ',
  'FORK',
  'ORDER',
  'SEGMENT_ORDER',
])

/** Why a record cannot stand here; undefined when it follows from the one before. */
export function placeFlaw(head: Head, stored: Stored, opensSegment: boolean): Flaw | undefined {
  const { record } = stored
  const { next } = head
  if (head.stream !== undefined && record.stream !== head.stream)
    return new Flaw('WRONG_STREAM', `The record belongs to stream ${record.stream}.`)
  if (opensSegment && record.seq < next)
    return new Flaw('SEGMENT_ORDER', `The segment begins at record ${record.seq}, and ${next} is due.`)
  if (next === 0 && (record.seq !== 0 || record.type !== 'stream.genesis'))
    return new Flaw('GENESIS_MISSING', 'The stream does not begin with its genesis.')
  // Behind an unreadable line nobody knows how many records it was.
  if (record.seq > next && head.prev !== 'unknown')
    return new Flaw('GAP', `Records ${next} to ${record.seq - 1} are missing.`)
  if (record.seq < next) return repeatFlaw(head, stored)
  return chainFlaw(head, stored)
}

function chainFlaw(head: Head, { record }: Stored): Flaw | undefined {
  if (head.prev !== 'unknown' && record.prev !== head.prev)
    return new Flaw('CHAIN_BREAK', 'The record does not follow from the one before it.')
  if (head.named !== 'unknown' && (record.cp?.n !== head.named?.n || record.cp?.h !== head.named?.h))
    return new Flaw('CHECKPOINT_CHAIN_BREAK', 'The record does not name the checkpoint before it.')
  if (record.tsMs < head.tsMs) return new Flaw('CLOCK_ROLLBACK', 'Time runs backwards.')
  if (head.closed) return new Flaw('ORDER', 'The stream was closed before.')
  if (head.next > 0 && record.type === 'stream.genesis') return new Flaw('ORDER', 'A second genesis.')
  return undefined
}

/** A number that was there before: the same record again, another one that was really signed, or one out of order. */
function repeatFlaw(head: Head, stored: Stored): Flaw {
  const { seq } = stored.record
  const earlier = head.recent.get(seq)
  const leaf = stored.leaf.toString('hex')
  if (earlier === leaf) return new Flaw('DUPLICATE_SEQ', `Record ${seq} is there twice.`)
  if (earlier === undefined) return new Flaw('ORDER', `Record ${seq} stands where ${head.next} is due.`)
  return isSigned(head.keys, stored)
    ? new Flaw('FORK', `Two signed records have the number ${seq}: leaves ${earlier} and ${leaf}.`)
    : new Flaw('DUPLICATE_SEQ', `Another record has the number ${seq}.`)
}

function isSigned(keys: StreamKeys | undefined, { bytes, signature }: Stored): boolean {
  return keys?.record !== undefined && signatureHolds(keys.record.publicKey, pae(payloadType, bytes), signature)
}

/** What to check of a record's signature; undefined when the stream signs checkpoints only. Throws a `Flaw` when there is nothing to check. */
export function recordClaim(head: Head, keys: StreamKeys, { record, bytes, signature }: Stored): Claim | undefined {
  if (keys.genesis.signing === 'checkpoint') {
    demand(signature.length === 0, 'BAD_RECORD_SIG', 'The record is signed, in a stream that signs checkpoints only.')
    return undefined
  }
  demand(signature.length > 0, 'SIGNATURE_STRIPPED', 'The record has lost its signature.')
  demand(soundSignature(signature), 'BAD_RECORD_SIG', 'The signature is of a form that proves nothing.')
  return {
    publicKey: keyAt(keys, 'record', record.tsMs).publicKey,
    message: pae(payloadType, bytes),
    signature,
    otherwise: problemAt(head, 'BAD_RECORD_SIG', 'The signature does not fit the record.'),
    ...(keys.checkpoint !== undefined && { other: keys.checkpoint.publicKey }),
  }
}

/** Throws a `Flaw` unless a `key.introduce` names a key that the genesis delegated. */
export function checkIntroduction(keys: StreamKeys, { record }: Stored): void {
  if (record.type !== 'key.introduce') return
  const { kid, purpose } = record.ext ?? {}
  const known = purpose === 'record' || purpose === 'checkpoint' ? keys[purpose]?.kid : undefined
  demand(kid !== undefined && kid === known, 'BAD_ROTATION', 'The record introduces a key that nobody delegated.')
}
