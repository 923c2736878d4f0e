import { describe, expect, it } from 'vitest'
import { fingerprint, simhashDistance } from '../../../src/detection/fingerprint.ts'

const key = new Uint8Array(32).fill(5)
const body = (last: string) => ({
  url: 'https://api.example/v1/orders',
  body: `${'one two three four five six seven eight nine ten '.repeat(8)}${last}`,
})

describe('a fingerprint', () => {
  it('is the same for the same arguments in any order', () =>
    expect(fingerprint({ a: 1, b: ['x', null] }, key)).toEqual(fingerprint({ b: ['x', null], a: 1 }, key)))

  it('is 16 lowercase hex digits, twice', () => {
    for (const half of Object.values(fingerprint({}, key))) expect(half).toMatch(/^[0-9a-f]{16}$/)
  })

  it('differs for other arguments, and for another key', () => {
    expect(fingerprint({ a: 1 }, key).hash16).not.toBe(fingerprint({ a: 2 }, key).hash16)
    expect(fingerprint({ a: 1 }, key).hash16).not.toBe(fingerprint({ a: 1 }, new Uint8Array(32)).hash16)
    expect(fingerprint({ a: 1 }, key).simhash16).not.toBe(fingerprint({ a: 1 }, new Uint8Array(32)).simhash16)
  })

  it('is near for nearly equal arguments, and far for others', () => {
    const near = simhashDistance(fingerprint(body('a'), key).simhash16, fingerprint(body('b'), key).simhash16)
    const far = simhashDistance(
      fingerprint(body('a'), key).simhash16,
      fingerprint({ segment: 'dormant', count: 40 }, key).simhash16,
    )
    expect(near).toBeLessThanOrEqual(3)
    expect(far).toBeGreaterThan(15)
  })
})
