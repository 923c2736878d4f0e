import { describe, expect, it } from 'vitest'
import { canonicalize, canonicalizeIntegers, depthMax } from '../../../src/evidence/canonical.ts'
import type { Json } from '../../../src/ports/json.ts'

const nested = (depth: number): Json => (depth === 0 ? 1 : [nested(depth - 1)])

describe('canonicalize', () => {
  it.each([
    [
      'members in the order of their UTF-16 code units',
      { '\u{1f600}': 1, '\ufb33': 2, '€': 3, a: 4, A: 5 },
      '{"A":5,"a":4,"€":3,"😀":1,"\ufb33":2}',
    ],
    ['keys that look like numbers', { 9: 'b', 10: 'a' }, '{"10":"a","9":"b"}'],
    [
      'the shortest escapes',
      '\u0000\b\t\n\f\r\u001f"\\/\u007f\u2028',
      '"\\u0000\\b\\t\\n\\f\\r\\u001f\\"\\\\/\u007f\u2028"',
    ],
    [
      'numbers as ECMAScript writes them',
      [0, -0, 1.5, 1e-7, 333333333.3333333, 2 ** 53 - 1],
      '[0,0,1.5,1e-7,333333333.3333333,9007199254740991]',
    ],
    ['literals and emptiness', [null, true, false, {}, [], ''], '[null,true,false,{},[],""]'],
    ['a member named __proto__', JSON.parse('{"__proto__":{"x":1},"a":2}') as Json, '{"__proto__":{"x":1},"a":2}'],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }) as Json, '{"a":1}'],
    ['nesting up to its limit', nested(depthMax), `${'['.repeat(depthMax)}1${']'.repeat(depthMax)}`],
  ])('writes %s', (_what, value, text) => {
    expect(canonicalize(value)).toBe(text)
  })

  it.each([
    ['a lone surrogate', 'a\ud800b'],
    ['a lone surrogate in a key', { '\udc00': 1 }],
    ['NaN', NaN],
    ['an infinity', -Infinity],
    ['an integer beyond 2^53 - 1', 2 ** 53],
    ['an integer beyond any double', 1e300],
    ['a bigint', 1n],
    ['an undefined member', { a: undefined }],
    ['a hole', [1, , 2]], // oxlint-disable-line no-sparse-arrays
    ['a function', { toJSON: () => 1 }],
    ['a symbol', Symbol('a')],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['bytes', Buffer.from('a')],
    ['an instance', Object.create({ inherited: 1 })],
    ['nesting beyond its limit', nested(depthMax + 1)],
  ])('refuses %s', (_what, value) => {
    expect(() => canonicalize(value as Json)).toThrow(TypeError)
  })

  it('refuses a cycle rather than walk it for ever', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    expect(() => canonicalize(cycle as Json)).toThrow('nested deeper')
  })
})

describe('canonicalizeIntegers', () => {
  it('writes integers', () => {
    expect(canonicalizeIntegers({ b: [-1, 0], a: 2 ** 53 - 1 })).toBe('{"a":9007199254740991,"b":[-1,0]}')
  })

  it.each([0.5, 1e21, NaN])('refuses %d, wherever it stands', (value) => {
    expect(() => canonicalizeIntegers({ a: [{ b: value }] })).toThrow('integer')
  })
})
