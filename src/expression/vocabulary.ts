import { ExpressionError } from './lex.ts'

/** Which fields an expression may name. */
export interface Vocabulary {
  /** Full dotted names. */
  readonly names: ReadonlySet<string>
  /** Beginnings whose leaves are free, with their dot: `args.`. */
  readonly prefixes?: readonly string[]
  /** What a name stands for that means another, e.g. a name without a dot in policy. Gives the name itself for all others. */
  readonly resolve?: (name: string) => string
}

/** The full path of a name. Throws `ExpressionError`, with the nearest known name, for one that nothing will ever fill. */
export function resolveName(name: string, vocabulary: Vocabulary, offset: number): string {
  const path = vocabulary.resolve?.(name) ?? name
  const known =
    vocabulary.names.has(path) || vocabulary.prefixes?.some((prefix) => path.startsWith(prefix) && path !== prefix)
  if (known) return path
  throw new ExpressionError(`Unknown field '${name}'${suggestion(name, vocabulary.names)}`, offset)
}

/** `; did you mean 'x'?` for a close one, else nothing. */
export function suggestion(name: string, known: Iterable<string>): string {
  const near = nearest(name, known)
  return near === undefined ? '' : `; did you mean '${near}'?`
}

/** Longest name worth comparing: the distance costs the product of both lengths. */
const comparedMax = 64

function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > comparedMax) return undefined
  const ranked = [...known]
    .map((other) => ({ other, away: distance(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ other, away }) => away <= Math.ceil(Math.min(name.length, other.length) / 3))
    .sort((one, two) => one.away - two.away)
  return ranked[0]?.other
}

/** Insertions, deletions and replacements between two names (Levenshtein). */
function distance(one: string, two: string): number {
  let row = Array.from({ length: two.length + 1 }, (_, at) => at)
  for (let at = 0; at < one.length; at += 1) {
    const next = [at + 1]
    for (let column = 1; column <= two.length; column += 1) {
      const replace = (row[column - 1] ?? 0) + (one.charAt(at) === two.charAt(column - 1) ? 0 : 1)
      next.push(Math.min((row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1, replace))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
