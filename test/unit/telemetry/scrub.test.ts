import { describe, expect, it } from 'vitest'
import { maskObvious } from '../../../src/telemetry/scrub.ts'

describe('the built-in mask', () => {
  it.each([
    ['write to ada.lovelace@mail.example.com now', 'write to [email] now'],
    ['4111 1111 1111 1111', '[card]'],
    ['card 4111-1111-1111-1111.', 'card [card].'],
    ['eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln', '[token]'],
    ['Authorization: Bearer abc.def-123456', 'Authorization: Bearer [token]'],
    ['ghp_0123456789abcdefABCD', '[token]'],
  ])('hides %s', (text, masked) => {
    expect(maskObvious(text)).toBe(masked)
  })

  it.each(['orders.export', 'agent:copilot', '2026-07-28', 'flags.write:staging', 'gw/01J9ZQ5V7K'])(
    'leaves %s',
    (text) => {
      expect(maskObvious(text)).toBe(text)
    },
  )
})
