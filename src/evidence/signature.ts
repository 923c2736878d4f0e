import { createHash, createPublicKey, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** RFC 8410: the DER that stands before the 32 raw bytes of an Ed25519 public key. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** Size of an Ed25519 signature (RFC 8032). */
export const signatureBytes = 64

/** Key id: SHA-256 of the public key's SPKI encoding, lowercase hex. */
export function keyIdOf(publicKey: Uint8Array): string {
  return createHash('sha256').update(spkiPrefix).update(publicKey).digest('hex')
}

/** The key object for 32 raw bytes. Throws for any other length. */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== 32) throw new TypeError('An Ed25519 public key has 32 bytes.')
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' })
}

/** True when `signature` is this key's signature over exactly these bytes. Never throws. */
export function signatureHolds(publicKey: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === signatureBytes && verify(null, bytes, publicKey, signature)
}

/** Decodes base64, or base64url without padding. Undefined unless re-encoding gives the same text: one value, one spelling. */
export function strictBase64(text: string, alphabet: 'base64' | 'base64url' = 'base64'): Buffer | undefined {
  const bytes = Buffer.from(text, alphabet)
  return bytes.toString(alphabet) === text ? bytes : undefined
}
