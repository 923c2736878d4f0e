import { lineHash } from './chain.ts'
import { noteKeyId, originOf } from './checkpoint.ts'
import type { SignedCheckpoint } from './checkpoint.ts'
import { soundSignature } from './envelope.ts'
import type { Claim, Head } from './head.ts'
import { problemAt } from './head.ts'
import type { StreamKeys } from './keys.ts'
import { keyAt } from './keys.ts'
import { rootOf } from './merkle.ts'
import { demand } from './problem.ts'
import { signatureHolds } from './signature.ts'

/**
 * Judges a checkpoint and moves the head past it. Gives what to check of its signature. Throws a `Flaw` when it is
 * another stream's, signed by another key, out of order, or of other records.
 */
export function judgeCheckpoint(head: Head, keys: StreamKeys, note: SignedCheckpoint, line: Uint8Array): Claim {
  head.named = 'unknown'
  const claim = checkpointClaim(head, keys, note)
  const root = note.root.toString('hex')
  if (note.size === head.last.size && root !== head.last.root) {
    const signed = signatureHolds(claim.publicKey, claim.message, claim.signature)
    demand(signed, 'BAD_CHECKPOINT_SIG', 'The signature does not fit the checkpoint.')
    demand(false, 'EQUIVOCATION', `Two roots were signed for ${note.size} records: ${head.last.root} and ${root}.`)
  }
  demand(note.size > head.last.size, 'CHECKPOINT_CHAIN_BREAK', 'The checkpoint does not follow the one before it.')
  if (head.brokenAt === undefined) {
    const same = note.size === head.next && note.root.equals(rootOf(head.frontier))
    demand(same, 'CHECKPOINT_MISMATCH', `The checkpoint is of ${note.size} other records.`)
  }
  head.named = { n: head.checkpoints, h: lineHash(line) }
  head.checkpoints++
  head.last = { size: note.size, root }
  head.tail = undefined
  return claim
}

function checkpointClaim(head: Head, keys: StreamKeys, note: SignedCheckpoint): Claim {
  const origin = originOf(keys.genesis.deployment, head.stream ?? '')
  const [first] = note.signatures
  demand(note.origin === origin && first?.name === origin, 'WRONG_ORIGIN', `A checkpoint of ${note.origin}.`)
  const key = keyAt(keys, 'checkpoint', head.tsMs)
  const madeWith = (raw: Uint8Array) => noteKeyId(origin, raw).equals(first.keyId)
  demand(
    keys.record === undefined || !madeWith(keys.record.raw),
    'WRONG_KEY_PURPOSE',
    'A checkpoint signed with the record key.',
  )
  const sound = madeWith(key.raw) && soundSignature(first.signature)
  demand(sound, 'BAD_CHECKPOINT_SIG', 'The checkpoint is signed with another key.')
  return {
    publicKey: key.publicKey,
    message: Buffer.from(note.body),
    signature: first.signature,
    otherwise: problemAt(head, 'BAD_CHECKPOINT_SIG', 'The signature does not fit the checkpoint.'),
  }
}
