import type { Candidate, Claim, Classifier } from './candidate.ts'
import { keyContext } from './candidate.ts'
import { cardOf } from './card.ts'
import type { Context } from './context.ts'
import { contextBefore, reach } from './context.ts'
import type { Groups } from './groups.ts'
import { groups, readGroups } from './groups.ts'
import { ibanAt } from './iban.ts'
import { ipv4Of } from './ip.ts'
import type { KeyFacts } from './keys.ts'
import { isAlnum, isDigit, isHex, isWord } from './letters.ts'
import type { Meter } from './meter.ts'
import { dateOf, nationalOf, ssnOf } from './national.ts'
import { phoneOf } from './phone.ts'
import type { Span } from './span.ts'

/** In this order: the first that claims, wins. Dates are skipped whole, so that no number begins inside one. */
const classifiers: readonly Classifier[] = [ipv4Of, cardOf, ssnOf, dateOf, nationalOf, phoneOf]

/** One pass over all digit runs: cards, IPv4 addresses, social security and national numbers, dates of birth, phones, IBANs. */
export function numbers(text: string, work: Meter, key?: KeyFacts): readonly Span[] {
  const found: Span[] = []
  const run = groups()
  const candidate = reader(text, run, key, work)
  for (let i = 0; i < text.length;) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) {
      if (isWord(code)) candidate.lastLetter = i
      i++
      continue
    }
    work.step(readGroups(text, i, run))
    const span = isWord(text.charCodeAt(i - 1)) ? ibanAt(text, i, key, work) : undefined
    if (span !== undefined) found.push(span)
    i = span?.end ?? passed(candidate, found)
    // What was skipped may have held letters.
    if (i !== run.end[0]) candidate.lastLetter = i - 1
  }
  return found
}

/** Classifies the candidate at the first group; gives where to go on. */
function passed(candidate: Reader, found: Span[]): number {
  const { text, run } = candidate
  const start = run.start[0] ?? 0
  const next = run.end[0] ?? text.length
  if (isWord(text.charCodeAt(start - 1))) return next
  if (isUuid(text, start)) return start + 36
  candidate.begin(start)
  for (const classify of classifiers) {
    const claim = classify(candidate)
    if (claim === undefined) continue
    const end = claim.end ?? run.end[claim.groups - 1] ?? next
    if (claim.kind !== undefined && !endsCleanly(text, end)) continue
    if (claim.kind !== undefined) found.push(spanOf(claim, start, end))
    return Math.max(end, next)
  }
  return next
}

interface Reader extends Candidate {
  joined: boolean
  /** Where a word that may tell something stands at the latest. */
  lastLetter: number
  begin(start: number): void
}

/** The candidate at hand: one object for all numbers of a text, because a hostile text has a hundred thousand. */
function reader(text: string, run: Groups, key: KeyFacts | undefined, work: Meter): Reader {
  let start = 0
  let context: Context | undefined | null = null
  return {
    text,
    run,
    joined: false,
    lastLetter: -reach,
    begin(at) {
      const before = text.charCodeAt(at - 1)
      start = at
      context = null
      this.joined = (before === 45 || before === 46 || before === 47) && isAlnum(text.charCodeAt(at - 2))
    },
    context() {
      if (context !== null) return context
      const wordless = start - this.lastLetter > reach
      work.step(wordless ? 1 : reach)
      return (context = (wordless ? undefined : contextBefore(text, start)) ?? keyContext(key))
    },
  }
}

function spanOf(claim: Claim, start: number, end: number): Span {
  const { kind = '', score = 0.5, why = 'shape', reserved } = claim
  return { kind, start: claim.start ?? start, end, score, why, ...(reserved === true && { reserved }) }
}

/** A number that runs on into a word, another group or an address is not the number it looked like. */
function endsCleanly(text: string, end: number): boolean {
  const after = text.charCodeAt(end)
  const further = text.charCodeAt(end + 1)
  if (isWord(after) || after === 64) return false
  if (after === 45) return !isAlnum(further)
  return !(after === 46 && isDigit(further))
}

function isUuid(text: string, start: number): boolean {
  for (const dash of [8, 13, 18, 23]) if (text.charCodeAt(start + dash) !== 45) return false
  for (let i = start; i < start + 36; i++) {
    const code = text.charCodeAt(i)
    if (!isHex(code) && code !== 45) return false
  }
  return true
}
