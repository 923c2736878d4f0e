import { z } from 'zod'
import type { JsonObject } from '../ports/json.ts'
import type { Signer } from '../ports/signer.ts'
import { canonicalize } from './canonical.ts'
import { pae } from './chain.ts'
import { keyIdOf, publicKeyOf, signatureHolds, strictBase64 } from './signature.ts'

/** What a delegation's signature says it signs (DSSE payload type). */
export const delegationType = 'application/vnd.sluicegate.delegation.v1+json'

/** Longest life of a delegated key: an ephemeral key signs for a day at most. */
export const delegationMaxMs = 24 * 3_600_000

/** A deployment key's word that another key may sign one stream, for one purpose and a while. */
export interface Delegation {
  readonly v: 1
  /** SHA-256 of the delegated key's SPKI encoding, lowercase hex. */
  readonly kid: string
  /** The delegated key: base64 of its 32 raw bytes. */
  readonly pub: string
  readonly stream: string
  /** Milliseconds since the epoch, both ends included. */
  readonly notBefore: number
  readonly notAfter: number
  readonly purpose: 'record' | 'checkpoint'
}

export const Delegation: z.ZodType<Delegation> = z.strictObject({
  v: z.literal(1),
  kid: z.string().regex(/^[0-9a-f]{64}$/),
  pub: z.string().max(44),
  stream: z.string().min(1).max(512),
  notBefore: z.int().min(0),
  notAfter: z.int().min(0),
  purpose: z.enum(['record', 'checkpoint']),
})

/** DSSE v1 envelope with one signature. */
export interface Envelope {
  readonly payloadType: string
  /** base64 */
  readonly payload: string
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[]
}

export const Envelope: z.ZodType<Envelope> = z.strictObject({
  payloadType: z.string().max(256),
  payload: z.string().max(65_536),
  signatures: z.array(z.strictObject({ keyid: z.string().max(64), sig: z.string().max(88) })).length(1),
})

/** Signs a delegation with the deployment key. */
export async function makeDelegation(statement: Delegation, deployment: Signer): Promise<Envelope> {
  const payload = Buffer.from(canonicalize(statement as unknown as JsonObject))
  const signature = await deployment.sign(pae(delegationType, payload))
  return {
    payloadType: delegationType,
    payload: payload.toString('base64'),
    signatures: [{ keyid: deployment.kid, sig: Buffer.from(signature).toString('base64') }],
  }
}

/** A delegation whose signature holds, and the deployment key that vouched for it. */
export type DelegationCheck =
  | { readonly kind: 'ok'; readonly statement: Delegation; readonly publicKey: Buffer; readonly signedBy: string }
  | { readonly kind: 'bad'; readonly why: DelegationFault }

type DelegationFault = 'malformed' | 'untrusted-key' | 'bad-signature' | 'kid-mismatch'

/**
 * Checks an envelope against trusted deployment keys (kid to 32 raw bytes). Says nothing about stream, purpose or time:
 * whoever uses the key compares those.
 */
export function checkDelegation(envelope: unknown, trusted: ReadonlyMap<string, Uint8Array>): DelegationCheck {
  const read = readDelegation(envelope)
  if (read === undefined) return { kind: 'bad', why: 'malformed' }
  const { statement, payload, signature, signedBy } = read
  const signer = trusted.get(signedBy)
  if (signer === undefined) return { kind: 'bad', why: 'untrusted-key' }
  if (!signatureHolds(publicKeyOf(signer), pae(delegationType, payload), signature))
    return { kind: 'bad', why: 'bad-signature' }
  const publicKey = strictBase64(statement.pub)
  if (publicKey?.length !== 32 || keyIdOf(publicKey) !== statement.kid) return { kind: 'bad', why: 'kid-mismatch' }
  return { kind: 'ok', statement, publicKey, signedBy }
}

function readDelegation(value: unknown) {
  const envelope = Envelope.safeParse(value)
  if (!envelope.success || envelope.data.payloadType !== delegationType) return undefined
  const [first] = envelope.data.signatures
  const payload = strictBase64(envelope.data.payload)
  const signature = strictBase64(first?.sig ?? '')
  if (first === undefined || payload === undefined || signature === undefined) return undefined
  const statement = Delegation.safeParse(parsed(payload))
  if (!statement.success || canonicalize(statement.data as unknown as JsonObject) !== payload.toString())
    return undefined
  return { statement: statement.data, payload, signature, signedBy: first.keyid }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}
