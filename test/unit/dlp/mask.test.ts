import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { replace } from '../../../src/dlp/mask.ts'

const key = () => ({ id: 'k1', key: new Uint8Array(32).fill(1) })

describe('a replacement', () => {
  it.each([
    ['jane@x.com', 'email', '***@***'],
    ['+1 212 555 0100', 'phone', '***-***'],
    ['4111111111111111', 'card', '<card>'],
  ])('masks %s as %s', (value, kind, expected) => expect(replace(value, kind, 'mask', key)).toBe(expected))

  it.each([
    ['4111 1111 1111 1234', 'card', '***1234'],
    ['1234567', 'phone', '***-***'],
    ['correct horse', 'password', '<password>'],
    ['***1234', 'card', '***1234'],
  ])('keeps the last four of %s (%s) where that is safe', (value, kind, expected) =>
    expect(replace(value, kind, 'partial', key)).toBe(expected),
  )

  it('hashes the kind and the normalised value under the key, 80 bits in base32', () => {
    const digest = createHmac('sha256', key().key).update('phone\u000012125550100').digest()
    const bits = [...digest.subarray(0, 10)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
    const base32 = (bits.match(/.{5}/g) ?? [])
      .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)])
      .join('')
    expect(replace('+1 (212) 555-0100', 'phone', 'hash', key)).toBe(`phone:k1:${base32}`)
  })

  it.each(['mask', 'partial', 'hash'] as const)('is its own replacement: %s', (mode) => {
    const once = replace('jane.doe@mail.example', 'email', mode, key)
    expect(replace(once, 'email', mode, key)).toBe(once)
  })

  it('refuses a key id that would not read back', () =>
    expect(() => replace('a@b.co', 'email', 'hash', () => ({ id: 'k:1', key: new Uint8Array(32) }))).toThrow(
      'hash key',
    ))
})
