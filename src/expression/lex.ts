/** What a token is. `word` is a keyword or operator, told apart by its text. */
export type Token =
  | { readonly kind: 'number'; readonly value: number; readonly offset: number }
  | { readonly kind: 'text'; readonly value: string; readonly offset: number }
  | { readonly kind: 'path'; readonly path: string; readonly offset: number }
  | { readonly kind: 'word'; readonly word: string; readonly offset: number }
  | { readonly kind: 'end'; readonly offset: number }

/** An expression that cannot be read or compiled. `offset` counts UTF-16 units from the start of the text. */
export class ExpressionError extends Error {
  readonly offset: number
  constructor(message: string, offset: number) {
    super(`${message} (at character ${offset + 1})`)
    this.name = 'ExpressionError'
    this.offset = offset
  }
}

/** Longest text an expression may have, in UTF-16 units. */
export const textMax = 4_096

const seconds = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 }
const bytes = { kb: 1_024, mb: 1_024 ** 2, gb: 1_024 ** 3 }
const units: Readonly<Record<string, number>> = { ...seconds, ...bytes }

const words = new Set([
  'and',
  'or',
  'not',
  'in',
  'matches',
  'contains',
  'startswith',
  'endswith',
  'true',
  'false',
  'null',
])

const space = /\s+/y
const number = /(\d+(?:\.\d+)?)(ms|kb|mb|gb|s|m|h|d)?(?![\w.])/y
const bareWord = /[A-Za-z_]\w*(?!\.)/y
const path = /[A-Za-z_]\w*(?:\.\w+|\[(?:'[^'.\\\n]+'|"[^".\\\n]+")\])*/y
const symbol = /&&|\|\||[=!<>]=|[<>!+\-*/%()[\],]/y
const bracket = /\[(?:'([^']*)'|"([^"]*)")\]/g

/** Splits a text into tokens, the last of them `end`. Throws `ExpressionError` at the first character that fits nothing. */
export function tokensOf(text: string): readonly Token[] {
  if (text.length > textMax) {
    throw new ExpressionError(`The expression has ${text.length} characters; at most ${textMax} are read`, textMax)
  }
  const tokens: Token[] = []
  let offset = skip(text, 0)
  while (offset < text.length) {
    const read = readToken(text, offset)
    tokens.push(read.token)
    offset = skip(text, read.end)
  }
  return [...tokens, { kind: 'end', offset: text.length }]
}

interface Read {
  readonly token: Token
  readonly end: number
}

function readToken(text: string, offset: number): Read {
  const first = text.charAt(offset)
  if (first === "'" || first === '"') return readText(text, offset)
  if (/\d/.test(first)) return readNumber(text, offset)
  if (/[A-Za-z_]/.test(first)) return readPath(text, offset)
  const found = at(symbol, text, offset)
  if (found) return { token: { kind: 'word', word: found[0], offset }, end: offset + found[0].length }
  const hint = first === '=' ? '; equality is written ==' : ''
  throw new ExpressionError(`'${first}' cannot stand here${hint}`, offset)
}

function readNumber(text: string, offset: number): Read {
  const found = at(number, text, offset)
  const value = Number(found?.[1]) * (units[found?.[2] ?? ''] ?? 1)
  if (!found || !Number.isFinite(value)) {
    throw new ExpressionError(
      'A number is digits with at most one point and one of the units ms s m h d kb mb gb',
      offset,
    )
  }
  return { token: { kind: 'number', value, offset }, end: offset + found[0].length }
}

function readPath(text: string, offset: number): Read {
  const word = at(bareWord, text, offset)?.[0] ?? ''
  if (words.has(word)) return { token: { kind: 'word', word, offset }, end: offset + word.length }
  const found = at(path, text, offset)?.[0] ?? ''
  const end = offset + found.length
  // `dry-run` would read as a subtraction of two absent fields: a rule on it could never hold.
  if (/^-[A-Za-z_]/.test(text.slice(end, end + 2))) {
    throw new ExpressionError(
      `Put spaces around '-' to subtract; a field with '-' in its name is written args['dry-run']`,
      end,
    )
  }
  const dotted = found.replace(bracket, (_all, single?: string, double?: string) => `.${single ?? double ?? ''}`)
  return { token: { kind: 'path', path: dotted, offset }, end }
}

function readText(text: string, offset: number): Read {
  const quote = text.charAt(offset)
  let value = ''
  for (let place = offset + 1; place < text.length; place += 1) {
    const char = text.charAt(place)
    if (char === quote) return { token: { kind: 'text', value, offset }, end: place + 1 }
    if (char === '\\') {
      value += unescaped(text.charAt(place + 1), place)
      place += 1
    } else value += char
  }
  throw new ExpressionError(`The text that begins with ${quote} does not end`, offset)
}

/** `\*` and `\?` keep their backslash: it is the pattern of `matches` that reads them. */
function unescaped(char: string, offset: number): string {
  if (char === '*' || char === '?') return `\\${char}`
  if (char === 'n') return '\n'
  if (char === 't') return '\t'
  if (char === '\\' || char === "'" || char === '"') return char
  throw new ExpressionError(`'\\${char}' is no escape; write \\\\ for a backslash`, offset)
}

function skip(text: string, offset: number): number {
  return offset + (at(space, text, offset)?.[0].length ?? 0)
}

function at(pattern: RegExp, text: string, offset: number): RegExpExecArray | null {
  pattern.lastIndex = offset
  return pattern.exec(text)
}
