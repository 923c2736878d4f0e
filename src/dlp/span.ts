import type { Kind } from './finding.ts'

/** A stretch of one text that a recognizer claims. */
export interface Span {
  readonly kind: Kind
  readonly start: number
  /** Exclusive. */
  readonly end: number
  readonly score: number
  readonly why: string
  readonly reserved?: true
}

/** Kinds whose claim on contested text prevails, strongest first; the others follow, longest first. */
const priority = ['private_key', 'connection_string', 'jwt', 'aws_key', 'token', 'password', 'email', 'iban', 'card']

/**
 * One span per contested stretch, in order. The winner gives the kind, and covers all that any loser claimed:
 * nothing that was found is left showing at an edge.
 */
export function withoutOverlaps(spans: readonly Span[]): readonly Span[] {
  if (spans.length < 2) return spans
  const kept: Span[] = []
  for (const span of spans.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = kept.at(-1)
    if (last === undefined || span.start >= last.end) kept.push(span)
    else kept[kept.length - 1] = union(last, span)
  }
  return kept
}

function union(a: Span, b: Span): Span {
  const { kind, score, why, reserved } = outranks(b, a) ? b : a
  const range = { start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) }
  const harmless = reserved && a.reserved && b.reserved
  return { kind, score, why, ...range, ...(harmless && { reserved }) }
}

function outranks(a: Span, b: Span): boolean {
  if ((a.reserved ?? false) !== (b.reserved ?? false)) return b.reserved === true
  return (rank(a) - rank(b) || b.end - b.start - (a.end - a.start)) < 0
}

function rank({ kind }: Span): number {
  const at = priority.indexOf(kind)
  return at === -1 ? priority.length : at
}
