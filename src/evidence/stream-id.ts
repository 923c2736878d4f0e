const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** What a stream's name looks like: a ULID. */
export const streamIdPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/**
 * A ULID: 48 bits of milliseconds, then 80 random bits, so names sort by age. `after` is the newest stream there is:
 * when the clock has gone back, the new name still sorts behind it.
 */
export function streamId(nowMs: number, random: Uint8Array, after?: string): string {
  if (random.length !== 10) throw new RangeError('A stream id takes 10 random bytes.')
  const timeMs = after === undefined ? nowMs : Math.max(nowMs, timeOf(after) + 1)
  const value = (BigInt(timeMs) << 80n) | BigInt(`0x${Buffer.from(random).toString('hex')}`)
  let text = ''
  for (let shift = 125n; shift >= 0n; shift -= 5n) text += alphabet[Number((value >> shift) & 31n)]
  return text
}

function timeOf(id: string): number {
  return Array.from(id.slice(0, 10)).reduce((ms, letter) => ms * 32 + alphabet.indexOf(letter), 0)
}
