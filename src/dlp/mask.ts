import { createHmac } from 'node:crypto'
import type { Kind, Mode } from './finding.ts'
import { hashedKind, isSecret, maskOf } from './kinds.ts'
import { digitsOf } from './letters.ts'

/** A tenant's key for keyed hashes. `id` stands in the output (letters, digits, `_`, `-`; at most 32) and changes on rotation. */
export interface HashKey {
  readonly id: string
  readonly key: Uint8Array
}

/** The modes that leave something in a value's place. */
type Replacement = Extract<Mode, 'mask' | 'partial' | 'hash'>

/**
 * What stands in a value's place. `mask`: a constant per kind. `partial`: the last four characters, never of a secret nor of
 * fewer than eight. `hash`: `<kind>:<key id>:` and the first 80 bits of an HMAC-SHA-256 in base32 (RFC 4648 §6): equal within one
 * tenant and key, meaningless elsewhere. Applied to its own result, each gives it back.
 */
export function replace(value: string, kind: Kind, mode: Replacement, key: () => HashKey): string {
  if (mode === 'mask') return maskOf(kind)
  if (mode === 'hash') return hashedKind(value) === undefined ? hashOf(value, kind, key()) : value
  if (isSecret(kind)) return maskOf(kind)
  if (value.length === 7 && value.startsWith('***')) return value
  return value.length >= 8 ? `***${value.slice(-4)}` : maskOf(kind)
}

function hashOf(value: string, kind: Kind, { id, key }: HashKey): string {
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(id))
    throw new TypeError('The id of a hash key is 1 to 32 letters, digits, "_" or "-".')
  const digest = createHmac('sha256', key)
    .update(`${kind}\0${normalised(value, kind)}`)
    .digest()
  return `${kind}:${id}:${base32(digest.subarray(0, 10))}`
}

/** One form for one value, so that two spellings of a number join. */
function normalised(value: string, kind: Kind): string {
  if (kind === 'phone' || kind === 'card' || kind === 'ssn') return digitsOf(value) || value
  if (kind === 'iban') return value.replace(/[\s-]+/g, '').toUpperCase()
  const plain = value.normalize('NFKC').trim()
  return isSecret(kind) ? plain : plain.toLowerCase()
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(held >> (bits - 5)) & 31]
    held &= 255
  }
  return text
}
