import { ExpressionError } from './lex.ts'
import type { Token } from './lex.ts'
import type { Expression } from './tree.ts'

/** Most nodes an expression may have. */
const nodesMax = 200
/** Deepest nesting of brackets, calls and negations. */
const depthMax = 32

/** Walks over tokens and counts what is made of them. */
export interface Reader {
  peek(): Token
  /** The next token when it is one of these words, else nothing. */
  take(...words: readonly string[]): { readonly word: string; readonly offset: number } | undefined
  next(): Token
  /** Counts a node, and gives it back. */
  node(made: Expression): Expression
  /** Runs one level deeper. */
  deeper(offset: number, parse: () => Expression): Expression
}

/** Throws `ExpressionError` from `node` and `deeper` when an expression grows beyond its limits. */
export function readerOf(tokens: readonly Token[]): Reader {
  let place = 0
  let nodes = 0
  let depth = 0
  const end: Token = tokens.at(-1) ?? { kind: 'end', offset: 0 }
  const peek = (): Token => tokens[place] ?? end
  return {
    peek,
    next() {
      const token = peek()
      place += 1
      return token
    },
    take(...words) {
      const token = peek()
      if (token.kind !== 'word' || !words.includes(token.word)) return undefined
      place += 1
      return token
    },
    node(made) {
      nodes += 1
      if (nodes > nodesMax) throw new ExpressionError(`The expression has more than ${nodesMax} parts`, made.offset)
      return made
    },
    deeper(offset, parse) {
      depth += 1
      if (depth > depthMax) throw new ExpressionError(`The expression nests deeper than ${depthMax}`, offset)
      const made = parse()
      depth -= 1
      return made
    },
  }
}
