import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { keyIdOf } from '../evidence/signature.ts'
import type { Signer } from '../ports/signer.ts'

/** A signer whose key is in this process's memory, so it answers at once. */
export interface LocalSigner extends Signer {
  sign(bytes: Uint8Array): Uint8Array
}

/** Signs with a private key given as an object or as PKCS#8 PEM. Refuses, with a TypeError, any key that is not Ed25519. */
export function localSigner(key: KeyObject | string): LocalSigner {
  const privateKey = typeof key === 'string' ? createPrivateKey(key) : key
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519')
    throw new TypeError('A signer needs an Ed25519 private key.')
  const publicKey = rawPublicKey(privateKey)
  return {
    kid: keyIdOf(publicKey),
    publicKey,
    sign: (bytes) => sign(null, bytes, privateKey),
  }
}

/** A new key that lives in memory only and is gone with the signer. */
export function ephemeralSigner(): LocalSigner {
  return localSigner(generateKeyPairSync('ed25519').privateKey)
}

function rawPublicKey(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
}
