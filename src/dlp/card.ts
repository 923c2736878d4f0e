import { sameGap, sizeOf, hasShape } from './groups.ts'
import type { Groups } from './groups.ts'
import { digitsOf } from './letters.ts'
import type { Candidate, Claim } from './candidate.ts'
import { cardIssued, luhn } from './validators.ts'

/** How cards are printed: in fours, as American Express, as Diners Club. */
const printed: readonly (readonly number[])[] = [
  [4, 4, 4, 4, 3],
  [4, 4, 4, 4],
  [4, 6, 5],
  [4, 6, 4],
]

/** Lengths at which an issuer's prefix and Luhn together are rare enough among ids. The others need a word. */
const bareLengths = [14, 15, 16]

/** A payment card: Luhn with an issuer's prefix and length, or a word for card before it. */
export function cardOf(candidate: Candidate): Claim | undefined {
  const { run } = candidate
  const shape = printed.find((sizes) => hasShape(run, sizes, () => true) && sameGap(run, sizes.length, ' -'))
  if (shape !== undefined) return printedCard(candidate, shape.length)
  const size = sizeOf(run, 0)
  return size >= 12 && size <= 19 ? bareCard(candidate, size) : undefined
}

function printedCard(candidate: Candidate, groups: number): Claim | undefined {
  const digits = digitsIn(candidate, groups)
  if (luhn(digits) && cardIssued(digits)) return { groups, kind: 'card', score: 0.95, why: 'checksum' }
  return candidate.context()?.hint === 'card' ? { groups, kind: 'card', score: 0.75, why: 'context' } : undefined
}

function bareCard(candidate: Candidate, size: number): Claim | undefined {
  const digits = digitsIn(candidate, 1)
  const checks = luhn(digits)
  if (checks && bareLengths.includes(size) && cardIssued(digits) && !candidate.joined && !isNumbered(candidate))
    return { groups: 1, kind: 'card', score: 0.9, why: 'checksum' }
  const context = candidate.context()
  if (context?.hint !== 'card' || (!checks && (context.wordsBetween > 2 || size < 13))) return undefined
  return { groups: 1, kind: 'card', score: checks ? 0.85 : 0.6, why: 'context' }
}

/** The number of an order, a ticket, a batch: named as such right before it. */
function isNumbered(candidate: Candidate): boolean {
  const near = candidate.context()
  return near?.hint === 'other' && near.wordsBetween <= 2
}

function digitsIn({ text, run }: { text: string; run: Groups }, groups: number): string {
  return digitsOf(text.slice(run.start[0], run.end[groups - 1]))
}
