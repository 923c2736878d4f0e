import { ExpressionError, tokensOf } from './lex.ts'
import type { Token } from './lex.ts'
import { readerOf } from './reader.ts'
import type { Reader } from './reader.ts'
import { operators } from './tree.ts'
import type { Arithmetic, Expression, Operator } from './tree.ts'

/**
 * Reads one expression. Throws `ExpressionError`, with the place, for a text that does not follow the grammar
 * or that exceeds 4,096 characters, 200 nodes or a depth of 32.
 */
export function parseExpression(text: string): Expression {
  const reader = readerOf(tokensOf(text))
  const expression = parseAny(reader)
  const rest = reader.peek()
  if (rest.kind !== 'end') throw leftOver(rest)
  return expression
}

const isOperator = (word: string): word is Operator => (operators as readonly string[]).includes(word)

function parseAny(reader: Reader): Expression {
  return parseChain(reader, 'any', ['or', '||'], parseAll)
}

function parseAll(reader: Reader): Expression {
  return parseChain(reader, 'all', ['and', '&&'], parseNot)
}

function parseChain(
  reader: Reader,
  kind: 'all' | 'any',
  words: readonly string[],
  part: (reader: Reader) => Expression,
) {
  const first = part(reader)
  const of = [first]
  while (reader.take(...words)) of.push(part(reader))
  return of.length === 1 ? first : reader.node({ kind, of, offset: first.offset })
}

function parseNot(reader: Reader): Expression {
  const not = reader.take('not')
  if (!not) return parseComparison(reader)
  const operand = reader.deeper(not.offset, () => parseNot(reader))
  return reader.node({ kind: 'not', operand, offset: not.offset })
}

function parseComparison(reader: Reader): Expression {
  const left = parseSum(reader)
  const found = reader.take(...operators)
  if (!found || !isOperator(found.word)) return left
  const right = parseSum(reader)
  const second = reader.take(...operators)
  if (second) {
    throw new ExpressionError(
      `Comparisons do not chain: write 'a ${found.word} b and b ${second.word} c'`,
      second.offset,
    )
  }
  return reader.node({ kind: 'compare', op: found.word, left, right, offset: found.offset })
}

function parseSum(reader: Reader): Expression {
  return parseArithmetic(reader, ['+', '-'], parseTerm)
}

function parseTerm(reader: Reader): Expression {
  return parseArithmetic(reader, ['*', '/', '%'], parseUnary)
}

function parseArithmetic(
  reader: Reader,
  words: readonly Arithmetic[],
  part: (reader: Reader) => Expression,
): Expression {
  let left = part(reader)
  for (let found = reader.take(...words); found; found = reader.take(...words)) {
    const right = part(reader)
    left = reader.node({ kind: 'arithmetic', op: found.word as Arithmetic, left, right, offset: found.offset })
  }
  return left
}

function parseUnary(reader: Reader): Expression {
  const sign = reader.take('!', '-')
  if (!sign) return parseAtom(reader)
  const operand = reader.deeper(sign.offset, () => parseUnary(reader))
  return reader.node({ kind: sign.word === '!' ? 'not' : 'negate', operand, offset: sign.offset })
}

const constants: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null }

function parseAtom(reader: Reader): Expression {
  const token = reader.next()
  const { offset } = token
  if (token.kind === 'number' || token.kind === 'text')
    return reader.node({ kind: 'value', value: token.value, offset })
  if (token.kind === 'path') return parseName(reader, token.path, offset)
  if (token.kind === 'word') {
    const constant = Object.hasOwn(constants, token.word) ? constants[token.word] : undefined
    if (constant !== undefined) return reader.node({ kind: 'value', value: constant, offset })
    if (token.word === '(') return reader.deeper(offset, () => parseBracketed(reader))
    if (token.word === '[')
      return reader.deeper(offset, () => reader.node({ kind: 'list', items: parseItems(reader, ']'), offset }))
  }
  throw expected('a value', token)
}

function parseBracketed(reader: Reader): Expression {
  const inner = parseAny(reader)
  if (!reader.take(')')) throw expected("')'", reader.peek())
  return inner
}

function parseName(reader: Reader, name: string, offset: number): Expression {
  if (!reader.take('(')) return reader.node({ kind: 'path', path: name, offset })
  return reader.deeper(offset, () => reader.node({ kind: 'call', name, args: parseItems(reader, ')'), offset }))
}

function parseItems(reader: Reader, close: ')' | ']'): readonly Expression[] {
  const items: Expression[] = []
  if (reader.take(close)) return items
  do items.push(parseAny(reader))
  while (reader.take(','))
  if (!reader.take(close)) throw expected(`',' or '${close}'`, reader.peek())
  return items
}

function expected(what: string, token: Token): ExpressionError {
  const hint =
    token.kind === 'word' && token.word === 'not' ? " ('not' stands before a whole comparison; use ! on a value)" : ''
  return new ExpressionError(`Expected ${what}, found ${shown(token)}${hint}`, token.offset)
}

function leftOver(token: Token): ExpressionError {
  const hint = token.kind === 'word' && token.word === 'not' ? "; write 'not a in b' for 'a not in b'" : ''
  return new ExpressionError(`Expected an operator or the end, found ${shown(token)}${hint}`, token.offset)
}

function shown(token: Token): string {
  if (token.kind === 'end') return 'the end'
  if (token.kind === 'text') return 'a text'
  if (token.kind === 'number') return 'a number'
  return `'${token.kind === 'path' ? token.path : token.word}'`
}
