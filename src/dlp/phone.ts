import type { Groups } from './groups.ts'
import { hasShape, sameGap, sizeOf } from './groups.ts'
import { isWord } from './letters.ts'
import type { Candidate, Claim } from './candidate.ts'

/** ITU-T E.164: at most fifteen digits. */
const digitsMax = 15

/**
 * A telephone number: `+` and a country code, an area in brackets, `ddd-ddd-dddd`, or any grouping after a word for phone.
 * Bare digits are a phone only right after such a word: ids are ten digits too.
 */
export function phoneOf(candidate: Candidate): Claim | undefined {
  const { text, run } = candidate
  const start = run.start[0] ?? 0
  if (text[start - 1] === '+' || text.slice(start - 2, start) === '+(') return international(candidate)
  if (text[start - 1] === '(' && run.gap[1]?.startsWith(')')) return bracketed(candidate)
  return candidate.joined ? undefined : (northAmerican(candidate) ?? spoken(candidate))
}

function international(candidate: Candidate): Claim | undefined {
  const { text, run } = candidate
  const first = run.start[0] ?? 0
  const start = openedAt(text, text[first - 1] === '+' ? first - 1 : first - 2, run)
  const groups = hasShape(run, [1, 3, 3, 4], () => true) ? 4 : groupsOfPhone(run)
  const digits = total(run, groups)
  if (text[first] === '0' || digits > digitsMax) return undefined
  const enough = digits >= (groups === 1 ? 10 : 8) && !isWord(text.charCodeAt(start - 1)) && text[start - 1] !== '+'
  if (!enough && !(digits >= 7 && candidate.context()?.hint === 'phone')) return undefined
  return { groups, start, kind: 'phone', score: 0.9, why: 'shape' }
}

/** `(+44) 20 …`: the bracket belongs to the number when it closes after its first group. */
function openedAt(text: string, start: number, run: Groups): number {
  return text[start - 1] === '(' && run.gap[1]?.startsWith(')') ? start - 1 : start
}

function bracketed(candidate: Candidate): Claim | undefined {
  const { run } = candidate
  const start = (run.start[0] ?? 0) - 1
  const area = sizeOf(run, 0)
  const groups = hasShape(run, [3, 3, 4], () => true) ? 3 : groupsOfPhone(run)
  const digits = total(run, groups)
  if (area < 2 || area > 5 || groups < 2 || digits < 7 || digits > 13) return undefined
  const firm = groups >= 3 && area + sizeOf(run, 1) <= 9
  if (!firm && candidate.context()?.hint !== 'phone') return undefined
  return { groups, start, kind: 'phone', score: firm ? 0.85 : 0.7, why: firm ? 'shape' : 'context' }
}

/** `212-555-0100`, `1.212.555.0100`, `1 (212) 555-0100`. An area code begins with 2 to 9. */
function northAmerican({ text, run }: Candidate): Claim | undefined {
  const long = hasShape(run, [1, 3, 3, 4], () => true) && text[run.start[0] ?? 0] === '1'
  const groups = long ? 4 : hasShape(run, [3, 3, 4], () => true) ? 3 : 0
  if (groups === 0) return undefined
  const area = text[run.start[groups - 3] ?? 0] ?? '0'
  const inBrackets = long && (run.gap[1] ?? '').endsWith('(')
  if (area < '2' || !(inBrackets || sameGap(run, groups, '-.'))) return undefined
  return { groups, kind: 'phone', score: 0.8, why: 'shape' }
}

function spoken(candidate: Candidate): Claim | undefined {
  const { run } = candidate
  const groups = groupsOfPhone(run)
  const digits = total(run, groups)
  if (digits < 7 || digits > digitsMax || (groups === 1 && digits > 13)) return undefined
  const context = candidate.context()
  if (context?.hint !== 'phone' || (groups === 1 && context.wordsBetween > 2)) return undefined
  return { groups, kind: 'phone', score: 0.7, why: 'context' }
}

/** How many groups one number may take. After nine digits a space may as well begin the next thing. */
function groupsOfPhone(run: Groups): number {
  let digits = sizeOf(run, 0)
  for (let i = 1; i < run.count; i++) {
    const longer = digits + sizeOf(run, i)
    if (longer > digitsMax || run.gap[i] === '/' || (digits >= 9 && run.gap[i] === ' ' && longer > 12)) return i
    digits = longer
  }
  return run.count
}

function total(run: Groups, groups: number): number {
  let digits = 0
  for (let i = 0; i < groups; i++) digits += sizeOf(run, i)
  return digits
}
