import { createHmac } from 'node:crypto'

/** Two 32-bit halves of a keyed 64-bit digest. */
type Halves = readonly [high: number, low: number]

/** Digests short texts to 64 bits under a seed. Fast rather than cryptographic: for sets and sketches in memory, never for evidence. */
export type Mixer = (text: string) => Halves

/** A mixer whose seed comes from a secret, so that nobody outside can aim for a collision. */
export function mixer(secret: Uint8Array | string, purpose: string): Mixer {
  const seed = createHmac('sha256', secret).update(purpose).digest()
  const high = seed.readInt32LE(0)
  const low = seed.readInt32LE(4)
  return (text) => mixed(text, high, low)
}

/** Two multiply-xorshift lanes that cross at the end, in the manner of MurmurHash3's finalizer. */
function mixed(text: string, seedHigh: number, seedLow: number): Halves {
  let a = seedHigh ^ text.length
  let b = seedLow
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x85ebca6b)
    b = Math.imul(b ^ code, 0xc2b2ae35)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  a = Math.imul(a ^ (b >>> 16), 0x7feb352d)
  b = Math.imul(b ^ (a >>> 15), 0x846ca68b)
  return [(a ^ (b >>> 13)) >>> 0, (b ^ (a >>> 16)) >>> 0]
}

/** Both halves as one exact number: 53 of the 64 bits. */
export function key53([high, low]: Halves): number {
  return (high & 0x1fffff) * 4294967296 + low
}
