import { z } from 'zod'
import { pae } from './chain.ts'
import type { Envelope } from './delegation.ts'
import { soundPoint } from './point.ts'
import type { ProblemCode } from './problem.ts'
import { demand } from './problem.ts'
import { signatureBytes, signatureHolds, strictBase64 } from './signature.ts'
import type { Trust } from './trust.ts'

/** Largest payload that is read, as base64: the manifest of some ten thousand streams. */
const payloadCharsMax = 16_777_216

const AnyEnvelope: z.ZodType<Envelope> = z.strictObject({
  payloadType: z.string().max(256),
  payload: z.string().max(payloadCharsMax),
  signatures: z.array(z.strictObject({ keyid: z.string().max(64), sig: z.string().max(88) })).length(1),
})

/** An envelope's content, and whether a trusted deployment key signed it. */
export interface Opened {
  readonly payload: Buffer
  readonly trusted: boolean
}

/**
 * Opens a DSSE envelope of one type. A key that is not in the trust leaves it untrusted; a key that is there and did not
 * sign, or may not sign this, throws a `Flaw` (`code` when the envelope itself is at fault).
 */
export function openEnvelope(value: unknown, type: string, trust: Trust | undefined, code: ProblemCode): Opened {
  const read = AnyEnvelope.safeParse(value)
  demand(read.success && read.data.payloadType === type, code, `No envelope of ${type} with one signature.`)
  const [first] = read.data.signatures
  const payload = strictBase64(read.data.payload)
  demand(payload !== undefined && first !== undefined, code, 'The payload of an envelope is not strict base64.')
  const key = trust?.keys.get(first.keyid)
  if (key === undefined) return { payload, trusted: false }
  demand(key.use === 'deployment', 'WRONG_KEY_PURPOSE', `A ${key.use} key signed what only a deployment key may.`)
  const signature = strictBase64(first.sig)
  demand(soundSignature(signature), 'BAD_SIG_ENCODING', 'The signature of an envelope is malformed.')
  demand(signatureHolds(key.publicKey, pae(type, payload), signature), code, 'The deployment key did not sign this.')
  return { payload, trusted: true }
}

/** True for 64 bytes whose R is the one encoding of a point that is not weak. S is the engine's to check (RFC 8032 §5.1.7). */
export function soundSignature(signature: Buffer | undefined): signature is Buffer {
  return signature?.length === signatureBytes && soundPoint(signature.subarray(0, 32))
}
