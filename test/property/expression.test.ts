import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { globTest } from '../../src/expression/glob.ts'
import { ExpressionError } from '../../src/expression/lex.ts'
import { parseExpression } from '../../src/expression/parse.ts'
import { operators } from '../../src/expression/tree.ts'
import type { Arithmetic, Expression, Operator } from '../../src/expression/tree.ts'
import { printExpression } from '../../src/expression/print.ts'

const offset = 0
const word = fc.stringMatching(/^[a-z_][a-z0-9_]{0,5}$/).map((text) => `f_${text}`)
const path = fc
  .tuple(word, fc.array(fc.oneof(word, fc.constantFrom('0', 'dry-run', "it's", 'a b')), { maxLength: 2 }))
  .map(([first, rest]): Expression => ({ kind: 'path', path: [first, ...rest].join('.'), offset }))
const text = fc
  .oneof(fc.string({ maxLength: 8 }), fc.constantFrom('a*', '\\*', '\\\\*', "'", '"\\', '\n\t'))
  .filter(readable)
const value = fc
  .oneof(
    text,
    fc.boolean(),
    fc.constant(null),
    fc.nat().map((n) => n / 8),
    fc.constantFrom(1e21, 1e-7, 0.1),
  )
  .map((made): Expression => ({ kind: 'value', value: made, offset }))

/** Texts a literal can say: no control characters beyond the escapes, no lone carriage return. */
function readable(made: string): boolean {
  return !/[\r]/.test(made)
}

const { tree } = fc.letrec<{ tree: Expression }>((tie) => {
  const two = { left: tie('tree'), right: tie('tree'), offset: fc.constant(offset) }
  const many = fc.array(tie('tree'), { minLength: 2, maxLength: 3 })
  return {
    tree: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      path,
      value,
      fc.array(tie('tree'), { maxLength: 3 }).map((items): Expression => ({ kind: 'list', items, offset })),
      tie('tree').map((operand): Expression => ({ kind: 'not', operand, offset })),
      tie('tree').map((operand): Expression => ({ kind: 'negate', operand, offset })),
      fc
        .tuple(fc.constantFrom('lower', 'len', 'present'), tie('tree'))
        .map(([name, arg]): Expression => ({ kind: 'call', name, args: [arg], offset })),
      fc.record({
        kind: fc.constant('arithmetic' as const),
        op: fc.constantFrom<Arithmetic>('+', '-', '*', '/', '%'),
        ...two,
      }),
      fc.record({ kind: fc.constant('compare' as const), op: fc.constantFrom<Operator>(...operators), ...two }),
      fc.record({ kind: fc.constantFrom('all' as const, 'any' as const), of: many, offset: fc.constant(offset) }),
    ),
  }
})

/** The tree without its places. */
const shapeOf = (node: Expression): unknown =>
  JSON.parse(JSON.stringify(node, (key, inner: unknown) => (key === 'offset' ? undefined : inner)))

/** A value as nothing that comes from JSON, or worse, would be. */
const wild = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
  fc.constantFrom<unknown>(undefined, null, Number.NaN, Number.POSITIVE_INFINITY, -0, Symbol('s'), () => 1),
)

const open = { names: new Set<string>(), prefixes: [''] }

describe('expressions', () => {
  it('parse to the same tree when printed', () => {
    fc.assert(
      fc.property(tree, (node) => {
        expect(shapeOf(parseExpression(printExpression(node)))).toEqual(shapeOf(node))
      }),
      { numRuns: 1_000 },
    )
  })

  it('never throw and always give a boolean, whatever the fields hold', () => {
    fc.assert(
      fc.property(tree, fc.array(wild, { minLength: 1, maxLength: 4 }), (node, values) => {
        const compiled = compiledOrNothing(printExpression(node))
        if (!compiled) return
        let turn = 0
        expect(typeof compiled.test(() => values[turn++ % values.length])).toBe('boolean')
      }),
      { numRuns: 1_000 },
    )
  })

  it('are read or refused with a place inside the text, whatever the text', () => {
    const token = fc.constantFrom(
      'a',
      'b.c',
      '1',
      '2kb',
      "'x'",
      '(',
      ')',
      '[',
      ']',
      ',',
      'and',
      'or',
      'not',
      'in',
      'matches',
      '==',
      '!=',
      '<',
      '-',
      '!',
      '&&',
      '\\',
      '"',
    )
    const source = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.array(token, { maxLength: 20 }).map((tokens) => tokens.join(' ')),
    )
    fc.assert(
      fc.property(source, (made) => {
        const error = errorOf(made)
        if (error) expect(error.offset).toBeLessThanOrEqual(made.length)
      }),
      { numRuns: 2_000 },
    )
  })

  it('give the opposite for == and !=, and for a condition and its negation', () => {
    fc.assert(
      fc.property(wild, wild, (a, b) => {
        const test = (made: string) => compileExpression(made, open).test((name) => (name === 'a' ? a : b))
        expect(test('a == b')).toBe(!test('a != b'))
        expect(test('not a')).toBe(!test('a'))
        expect(test('!(a < b)')).toBe(!test('a < b'))
      }),
    )
  })
})

describe('patterns', () => {
  it('agree with a regular expression of the same meaning', () => {
    const few = fc
      .array(fc.constantFrom('a', 'b', '*', '?', '.', '\\*'), { maxLength: 40 })
      .map((parts) => parts.join(''))
    const subject = fc.array(fc.constantFrom('a', 'b', '.', '*'), { maxLength: 40 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(few, subject, (pattern, made) => {
        expect(globTest(pattern)(made)).toBe(plainly(pattern, made))
      }),
      { numRuns: 3_000 },
    )
  })
})

/** A plain reference: states as a set. */
function plainly(pattern: string, made: string): boolean {
  const parts = [...pattern.matchAll(/\\[*?\\]|[^]/g)].map(([part]) => part)
  const skip = (at: number): readonly number[] => (parts[at] === '*' ? [at, ...skip(at + 1)] : [at])
  let states = new Set(skip(0))
  for (const char of made) {
    const next = [...states].flatMap((at) => {
      const part = parts[at]
      if (part === '*') return skip(at)
      return part === '?' || part === char || part === `\\${char}` ? skip(at + 1) : []
    })
    states = new Set(next)
  }
  return states.has(parts.length)
}

/** Trees hold combinations that compiling refuses, such as a pattern that is no text. */
function compiledOrNothing(made: string): ReturnType<typeof compileExpression> | undefined {
  try {
    return compileExpression(made, open)
  } catch (error) {
    expect(error).toBeInstanceOf(ExpressionError)
    return undefined
  }
}

function errorOf(made: string): ExpressionError | undefined {
  try {
    parseExpression(made)
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(ExpressionError)
    return error as ExpressionError
  }
}
