import { describe, expect, it } from 'vitest'
import { globTest } from '../../../src/expression/glob.ts'

describe('globTest', () => {
  it.each([
    ['write:*', 'write:flags', true],
    ['write:*', 'write:', true],
    ['write:*', 'Write:flags', false],
    ['write:*', 'read,write:flags', false],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['*.example', 'api.example', true],
    ['*.example', 'api.example.', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'acb', false],
    ['**a', 'bca', true],
    ['?*', '', false],
    [String.raw`100\*`, '100*', true],
    [String.raw`100\*`, '1000', false],
    [String.raw`a\?`, 'a?', true],
    [String.raw`a\?`, 'ab', false],
    [String.raw`a\b`, String.raw`a\b`, true],
    ['[a-z].+', '[a-z].+', true],
    ['[a-z].+', 'a..', false],
  ])('%s on %j is %s', (pattern, text, expected) => {
    expect(globTest(pattern)(text)).toBe(expected)
  })

  it('carries over the borders of its words of 32 places', () => {
    for (const length of [31, 32, 33, 63, 64, 65, 200]) {
      const exact = globTest('x'.repeat(length))
      expect(exact('x'.repeat(length))).toBe(true)
      expect(exact('x'.repeat(length - 1))).toBe(false)
      expect(exact('x'.repeat(length + 1))).toBe(false)
      expect(globTest(`${'x'.repeat(length)}*z`)(`${'x'.repeat(length)}abcz`)).toBe(true)
    }
  })
})
