import { describe, expect, it } from 'vitest'
import { ExpressionError } from '../../../src/expression/lex.ts'
import { parseExpression } from '../../../src/expression/parse.ts'
import { printExpression } from '../../../src/expression/print.ts'

/** The error a text is refused with. */
function refusal(text: string): ExpressionError {
  try {
    parseExpression(text)
  } catch (error) {
    if (error instanceof ExpressionError) return error
  }
  throw new Error(`not refused: ${text}`)
}

const printed = (text: string) => printExpression(parseExpression(text))

describe('parseExpression', () => {
  it.each([
    ['a && b || c and d', 'a and b or c and d'],
    ['a and (b or c)', 'a and (b or c)'],
    ['not a == b', 'not a == b'],
    ['!a == b', '!a == b'],
    ['!(a == b)', 'not a == b'],
    ['not not a', 'not not a'],
    ['a - b - c', 'a - b - c'],
    ['a - (b - c)', 'a - (b - c)'],
    ['(a + b) * -c % 2', '(a + b) * -c % 2'],
    ['a + b * c > d - 1', 'a + b * c > d - 1'],
    [`x in ["a",'b', 3]`, `x in ['a', 'b', 3]`],
    ['x in[1]', 'x in [1]'],
    [`args['dry-run'] and args["it's"].x`, `args['dry-run'] and args["it's"].x`],
    ['len(lower(x)) >= 1kb', 'len(lower(x)) >= 1024'],
    ['[] == [[]]', '[] == [[]]'],
  ])('reads %s as %s', (text, expected) => {
    expect(printed(text)).toBe(expected)
  })

  it('tells a negated comparison from a compared negation', () => {
    expect(parseExpression('not a == b')).toMatchObject({ kind: 'not', operand: { kind: 'compare' } })
    expect(parseExpression('!a == b')).toMatchObject({ kind: 'compare', left: { kind: 'not' } })
  })

  it.each([
    ['5ms', 0.005],
    ['90s', 90],
    ['15m', 900],
    ['1.5h', 5_400],
    ['2d', 172_800],
    ['1kb', 1_024],
    ['2mb', 2_097_152],
    ['1gb', 1_073_741_824],
  ])('reads %s as %d', (text, value) => {
    expect(parseExpression(text)).toMatchObject({ kind: 'value', value })
  })

  it('reads both quotes and their escapes', () => {
    expect(parseExpression(String.raw`'it\'s "so" \\ \n'`)).toMatchObject({ value: 'it\'s "so" \\ \n' })
    expect(parseExpression(String.raw`"it's \"so\""`)).toMatchObject({ value: 'it\'s "so"' })
  })

  it.each([
    ['a < b < c', 6, "'a < b and b < c'"],
    ['a == b == c', 7, "'a == b and b == c'"],
    ['', 0, 'Expected a value, found the end'],
    ['a and', 5, 'found the end'],
    ['a b', 2, "found 'b'"],
    ['(a', 2, "Expected ')'"],
    ['a in [1, 2', 10, "Expected ',' or ']'"],
    ['a == not b', 5, 'use ! on a value'],
    ['a not in b', 2, "write 'not a in b'"],
    ['a = b', 2, 'equality is written =='],
    ["a == 'x", 5, 'does not end'],
    ['a > 15min', 4, 'units ms s m h d kb mb gb'],
    ['a > 1.2.3', 4, 'units'],
    ["a == 'x\\y'", 7, 'is no escape'],
    ['dry-run == true', 3, "args['dry-run']"],
    ['a ; b', 2, "';' cannot stand here"],
    ['a == `b`', 5, "'`' cannot stand here"],
    ['a..b', 1, "'.' cannot stand here"],
  ])('refuses %j at %i: %s', (text, offset, message) => {
    const error = refusal(text)
    expect(error.offset).toBe(offset)
    expect(error.message).toContain(message)
    expect(error.message).toContain(`at character ${offset + 1}`)
  })

  it('reads 4,096 characters and no more', () => {
    expect(parseExpression(`a${' '.repeat(4_095)}`)).toMatchObject({ kind: 'path' })
    expect(refusal(`a${' '.repeat(4_096)}`).message).toContain('at most 4096')
  })

  it('reads 200 parts and no more', () => {
    const chain = (terms: number) => Array.from({ length: terms }, () => 'a').join(' or ')
    expect(parseExpression(chain(199))).toMatchObject({ kind: 'any' })
    expect(refusal(chain(200)).message).toContain('more than 200 parts')
  })

  it.each([
    ['brackets', (depth: number) => `${'('.repeat(depth)}a${')'.repeat(depth)}`],
    ['lists', (depth: number) => `${'['.repeat(depth)}a${']'.repeat(depth)}`],
    ['words', (depth: number) => `${'not '.repeat(depth)}a`],
    ['signs', (depth: number) => `${'!'.repeat(depth)}a`],
    ['calls', (depth: number) => `${'len('.repeat(depth)}a${')'.repeat(depth)}`],
  ])('nests 32 %s and no more', (_name, nested) => {
    expect(() => parseExpression(nested(32))).not.toThrow()
    expect(refusal(nested(33)).message).toContain('deeper than 32')
  })
})
