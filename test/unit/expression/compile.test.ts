import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../../src/expression/compile.ts'
import { ExpressionError } from '../../../src/expression/lex.ts'

const anything = { names: new Set<string>(), prefixes: [''] }

/** What an expression gives in a scope of flat names. */
function holds(text: string, scope: Readonly<Record<string, unknown>> = {}): boolean {
  return compileExpression(text, anything).test((path) => scope[path])
}

const events = { names: new Set(['policy.decision', 'actor.type', 'ttl_sec']) }

describe('compileExpression', () => {
  it('lists every field it reads once, in order', () => {
    const { paths } = compileExpression('b.x > 1 and (a.y or b.x < 3) and c.z matches "q"', anything)
    expect(paths).toEqual(['b.x', 'a.y', 'c.z'])
  })

  it('refuses an unknown field with its place and the nearest one', () => {
    const compile = () => compileExpression("ttl_sec > 3 and polcy.decision == 'allow'", events)
    expect(compile).toThrow(ExpressionError)
    expect(compile).toThrow("Unknown field 'polcy.decision'; did you mean 'policy.decision'? (at character 17)")
  })

  it('offers no name when none is near', () => {
    expect(() => compileExpression('weather', events)).toThrow("Unknown field 'weather' (at")
  })

  it('refuses an unknown function, and a known one with more or fewer arguments than one', () => {
    expect(() => compileExpression('lowr(x)', anything)).toThrow("Unknown function 'lowr'; did you mean 'lower'?")
    expect(() => compileExpression('lower()', anything)).toThrow('takes one argument')
    expect(() => compileExpression('lower(a, b)', anything)).toThrow('takes one argument')
    expect(() => compileExpression('constructor(a)', anything)).toThrow('Unknown function')
  })

  it('refuses a pattern that a call could choose', () => {
    expect(() => compileExpression('a matches b', anything)).toThrow('needs a pattern in quotes')
    expect(() => compileExpression("a matches ['x', b]", anything)).toThrow('needs a pattern in quotes')
    expect(() => compileExpression(`a matches '${'x'.repeat(129)}'`, anything)).toThrow('at most 128')
  })

  it("refuses 'in' with one value on its right", () => {
    expect(() => compileExpression("a in 'abc'", anything)).toThrow('needs a list')
  })
})

describe('false-like values', () => {
  it.each([undefined, null, false, 0, -0, '', [], Number.NaN])('count %j as false', (value) => {
    expect(holds('a', { a: value })).toBe(false)
    expect(holds('!a', { a: value })).toBe(true)
  })

  it.each([true, 1, -1, '0', ' ', 'false', [0], [[]], {}])('count %j as true', (value) => {
    expect(holds('a', { a: value })).toBe(true)
    expect(holds('not a', { a: value })).toBe(false)
  })
})

describe('equality', () => {
  it.each([
    [1, 1, true],
    [1, '1', false],
    [0, false, false],
    ['a', 'A', false],
    [null, null, true],
    [undefined, null, false],
    [undefined, undefined, false],
    [[1, 'a'], [1, 'a'], true],
    [[1, 2], [2, 1], false],
    [[1], { 0: 1 }, false],
    [{ x: [1] }, { x: [1] }, true],
    [{ x: 1 }, { y: 1 }, false],
    [{}, { toString: undefined }, false],
  ])('of %j and %j is %s, and != is its opposite', (a, b, expected) => {
    expect(holds('a == b', { a, b })).toBe(expected)
    expect(holds('a != b', { a, b })).toBe(!expected)
  })

  it('holds for != on a missing field', () => {
    expect(holds("a != 'x'")).toBe(true)
  })

  it('ends for values that nest without end', () => {
    const loop: unknown[] = []
    loop.push(loop)
    const other: unknown[] = []
    other.push(other)
    expect(holds('a == b', { a: loop, b: other })).toBe(false)
  })
})

describe('order', () => {
  it.each([
    ['a < b', 1, 2, true],
    ['a <= b', 2, 2, true],
    ['a > b', 'b', 'a', true],
    ['a >= b', 'b', 'b', true],
    ['a < b', '10', 9, false],
    ['a < b', 9, '10', false],
    ['a <= b', null, null, false],
    ['a >= b', false, false, false],
    ['a <= b', [1], [1], false],
    ['a < b', undefined, 1, false],
    ['a > b', Number.NaN, 1, false],
  ])('%s with %j and %j is %s', (text, a, b, expected) => {
    expect(holds(text, { a, b })).toBe(expected)
  })
})

describe('arithmetic', () => {
  it.each([
    ['a + b * 2 == 7', true],
    ['a - b == -2', true],
    ['-a == 0 - 1', true],
    ['b % 2 == 1', true],
    ['b / a == 3', true],
  ])('%s is %s', (text, expected) => {
    expect(holds(text, { a: 1, b: 3 })).toBe(expected)
  })

  it.each(['a / 0', 'a % 0', 'a + text', 'a + list', 'a * none', '-text', 'a + true'])(
    'gives a missing value for %s',
    (text) => {
      const scope = { a: 1, text: '2', list: [1] }
      expect(holds(`present(${text})`, scope)).toBe(false)
      expect(holds(`${text} < 1 or ${text} >= 1`, scope)).toBe(false)
    },
  )
})

describe('tests of text and lists', () => {
  const scope = { host: 'api.Vendor.example', scopes: ['orders.read', 'write:flags'], n: 5, empty: [] }
  it.each([
    ["host startswith 'api.'", true],
    ["host startswith ['x', 'api']", true],
    ["host endswith '.EXAMPLE'", false],
    ["lower(host) contains 'vendor'", true],
    ["host contains 'vendor'", false],
    ["scopes contains 'orders.read'", true],
    ["scopes contains 'orders'", false],
    ["scopes contains ['a', 'write:flags']", true],
    ["scopes in ['x', 'orders.read']", true],
    ["empty in ['x']", false],
    ["n in [4, '5']", false],
    ['n in [4, 5]', true],
    ['n in scopes', false],
    ["'orders.read' in scopes", true],
    ["scopes matches 'write:*'", true],
    ["scopes matches ['x*', '*.read']", true],
    ["n matches '*'", false],
    ["none matches '*'", false],
    ["none contains ''", false],
    ["host contains ''", true],
    ["lower(scopes) contains 'write:flags'", true],
    ['len(scopes) == 2 and len(host) == 18 and not present(len(n))', true],
    ['present(n) and present(empty) and not present(none)', true],
  ])('%s is %s', (text, expected) => {
    expect(holds(text, scope)).toBe(expected)
  })

  it('calls a null value not present', () => {
    expect(holds('present(a)', { a: null })).toBe(false)
  })
})
