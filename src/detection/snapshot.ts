import { canonicalize } from '../evidence/canonical.ts'
import { pae } from '../evidence/chain.ts'
import { soundSignature } from '../evidence/envelope.ts'
import { publicKeyOf, signatureHolds, strictBase64 } from '../evidence/signature.ts'
import type { Envelope } from '../evidence/delegation.ts'
import { isJsonObject, type Json, type JsonObject } from '../ports/json.ts'
import type { Signer } from '../ports/signer.ts'

/** What a snapshot's signature says it signs (DSSE payload type). */
const snapshotType = 'application/vnd.sluicegate.detector-snapshot.v1+json'

/** Largest snapshot that is read, characters of base64. */
const payloadCharsMax = 268_435_456

/** A snapshot in a DSSE envelope, signed over its canonical bytes: what the detector learned is worth as much as its rules. */
export async function signSnapshot(snapshot: JsonObject, signer: Signer): Promise<Envelope> {
  const payload = Buffer.from(canonicalize(snapshot))
  const signature = await signer.sign(pae(snapshotType, payload))
  return {
    payloadType: snapshotType,
    payload: payload.toString('base64'),
    signatures: [{ keyid: signer.kid, sig: Buffer.from(signature).toString('base64') }],
  }
}

export type OpenedSnapshot =
  | { readonly kind: 'ok'; readonly snapshot: JsonObject; readonly signedBy: string }
  /** The sentence says what is wrong, not where. */
  | { readonly kind: 'refused'; readonly message: string }

/** The snapshot of an envelope, if one of the trusted keys (kid to 32 raw bytes) signed exactly these bytes. Never throws. */
export function verifySnapshot(envelope: unknown, trusted: ReadonlyMap<string, Uint8Array>): OpenedSnapshot {
  const read = readEnvelope(envelope)
  if (!read) return refused('it is no signed detector snapshot')
  const key = trusted.get(read.keyid)
  if (!key) return refused(`key ${read.keyid.slice(0, 12)}… that signed it is not trusted here`)
  if (
    !soundSignature(read.signature) ||
    !signatureHolds(publicKeyOf(key), pae(snapshotType, read.payload), read.signature)
  )
    return refused('its signature does not hold')
  const snapshot = parsed(read.payload)
  return snapshot ? { kind: 'ok', snapshot, signedBy: read.keyid } : refused('its payload is not a JSON object')
}

const refused = (why: string): OpenedSnapshot => ({ kind: 'refused', message: `The snapshot is refused: ${why}.` })

function readEnvelope(
  envelope: unknown,
): { readonly payload: Buffer; readonly keyid: string; readonly signature: Buffer } | undefined {
  if (!isJsonObject(envelope) || envelope['payloadType'] !== snapshotType) return undefined
  const { payload, signatures } = envelope
  const first: Json | undefined =
    Array.isArray(signatures) && signatures.length === 1 ? (signatures[0] as Json) : undefined
  if (typeof payload !== 'string' || payload.length > payloadCharsMax || !isJsonObject(first)) return undefined
  const { keyid, sig } = first
  if (typeof keyid !== 'string' || typeof sig !== 'string') return undefined
  const [bytes, signature] = [strictBase64(payload), strictBase64(sig)]
  return bytes && signature ? { payload: bytes, keyid, signature } : undefined
}

function parsed(payload: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'))
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
