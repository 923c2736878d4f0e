/** Encodings of the points whose order divides 8, without their sign bit (RFC 8032 §5.1.2; the same list libsodium refuses). */
const smallOrder: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

/** 2^255 - 19, the field's prime, little-endian. */
const primeLowByte = 0xed

/**
 * True for the one encoding of a curve point whose order is not small. A signature under a small-order key, or with a
 * small-order R, can fit many messages at once, so neither proves anything.
 */
export function soundPoint(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false
  const unsigned = Buffer.from(bytes)
  unsigned[31] = (unsigned[31] as number) & 0x7f
  return belowPrime(unsigned) && !smallOrder.has(unsigned.toString('hex'))
}

function belowPrime(bytes: Uint8Array): boolean {
  if (bytes[31] !== 0x7f || (bytes[0] as number) < primeLowByte) return true
  return bytes.subarray(1, 31).some((byte) => byte !== 0xff)
}
