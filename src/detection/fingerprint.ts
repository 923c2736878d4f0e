import { createHmac, createSecretKey } from 'node:crypto'
import { canonicalize } from '../evidence/canonical.ts'
import { isJsonObject, type Json } from '../ports/json.ts'
import { mixer, type Mixer } from './mix.ts'

/** What loop detection compares: equal arguments, and nearly equal ones. */
export interface Fingerprint {
  /** 64 bits of an HMAC-SHA-256 over the canonical arguments (RFC 8785), hex. */
  readonly hash16: string
  /** 64-bit simhash over their words, hex: nearly equal arguments differ in few bits. */
  readonly simhash16: string
}

/** Words beyond this many do not count; arguments are small. */
const wordsMax = 4096

/** Fingerprints of arguments or of a result, under a key: comparable within one key, meaningless outside. */
export function fingerprint(value: Json, key: Uint8Array): Fingerprint {
  return fingerprinter(key)(value)
}

/** As `fingerprint`, with the key prepared once: worth it for whoever takes many. */
export function fingerprinter(key: Uint8Array): (value: Json) => Fingerprint {
  const secret = createSecretKey(key)
  const mix = mixer(key, 'simhash')
  return (value) => ({
    hash16: createHmac('sha256', secret).update(canonicalize(value)).digest('hex').slice(0, 16),
    simhash16: simhash(wordsOf(value), mix),
  })
}

/** How many bits two simhashes differ in, 0 to 64. */
export function simhashDistance(a: string, b: string): number {
  let bits = 0
  for (let i = 0; i < 16; i++) bits += ones(Number.parseInt(a.charAt(i), 16) ^ Number.parseInt(b.charAt(i), 16))
  return bits
}

function ones(nibble: number): number {
  return (nibble & 1) + ((nibble >> 1) & 1) + ((nibble >> 2) & 1) + ((nibble >> 3) & 1)
}

/** Each bit is what most words have there. */
function simhash(words: Iterable<string>, mix: Mixer): string {
  const votes = new Int32Array(64)
  for (const word of words) {
    const [high, low] = mix(word)
    for (let bit = 0; bit < 32; bit++) {
      votes[bit] = (votes[bit] ?? 0) + ((high >>> bit) & 1) * 2 - 1
      votes[bit + 32] = (votes[bit + 32] ?? 0) + ((low >>> bit) & 1) * 2 - 1
    }
  }
  return hexOf(votes.subarray(0, 32)) + hexOf(votes.subarray(32))
}

function hexOf(votes: Int32Array): string {
  let half = 0
  for (const [bit, vote] of votes.entries()) if (vote > 0) half |= 1 << bit
  return (half >>> 0).toString(16).padStart(8, '0')
}

/** Every word of every leaf, with the name it stands under; members in any order give the same words. */
function* wordsOf(value: Json): Generator<string> {
  let left = wordsMax
  for (const word of wordsUnder('', value)) {
    if (left-- === 0) return
    yield word
  }
}

function* wordsUnder(name: string, value: Json): Generator<string> {
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) yield* wordsUnder(name, item)
    return
  }
  if (isJsonObject(value)) {
    for (const [key, item] of Object.entries(value)) yield* wordsUnder(key, item)
    return
  }
  const words = (typeof value === 'string' ? value : JSON.stringify(value)).toLowerCase().split(/[^\p{L}\p{N}]+/u)
  for (const word of words) if (word !== '') yield `${name}=${word}`
}
