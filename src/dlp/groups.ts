import { isDigit } from './letters.ts'

/** How far a number is read: enough for a card in fours, or the longest phone. */
const groupsMax = 8

/** What may stand between two groups of one number: one character, or more of them. */
const marks = ' -./)('
const separators = new Set([') ', ')-', ' (', '-(', '.(', ' - ', ') - '])

/** Up to eight groups of digits that follow each other, as in `+1 (212) 555-0100`. Reused for each number: copy nothing. */
export interface Groups {
  count: number
  readonly start: number[]
  readonly end: number[]
  /** What stands before each group: empty for the first. */
  readonly gap: string[]
}

export function groups(): Groups {
  return { count: 0, start: [], end: [], gap: [] }
}

/**
 * Reads the groups from the digit at `from`. Gives how many characters it looked at. A long row is read once, not once for
 * each of its numbers: what begins at the second group of the last number has its other groups already.
 */
export function readGroups(text: string, from: number, into: Groups): number {
  const known = into.count > 1 && into.start[1] === from ? moveUp(into) : 0
  if (known > 0 && known < groupsMax - 1) return 1
  let gap = known === 0 ? '' : gapAt(text, into.end[known - 1] ?? from)
  let at = known === 0 ? from : (into.end[known - 1] ?? from) + gap.length
  const begun = at
  for (into.count = known; into.count < groupsMax && (gap !== '' || into.count === 0);) {
    let end = at
    while (isDigit(text.charCodeAt(end))) end++
    into.start[into.count] = at
    into.end[into.count] = end
    into.gap[into.count++] = gap
    gap = gapAt(text, end)
    at = end + gap.length
  }
  into.gap[into.count] = ''
  return at - begun + 1
}

/** Forgets the first group; gives how many are left. */
function moveUp(groups: Groups): number {
  const { start, end, gap } = groups
  for (let i = 1; i < groups.count; i++) {
    start[i - 1] = start[i] ?? 0
    end[i - 1] = end[i] ?? 0
    gap[i - 1] = gap[i] ?? ''
  }
  gap[0] = ''
  groups.count -= 1
  gap[groups.count] = ''
  return groups.count
}

/** What joins the group that ends here to the next; empty when nothing does. */
function gapAt(text: string, end: number): string {
  for (let width = 1; width <= 4; width++) {
    if (!isDigit(text.charCodeAt(end + width))) continue
    if (width === 1) return marks.includes(text[end] ?? '') ? (text[end] ?? '') : ''
    const gap = text.slice(end, end + width)
    return separators.has(gap) ? gap : ''
  }
  return ''
}

export function sizeOf(groups: Groups, i: number): number {
  return (groups.end[i] ?? 0) - (groups.start[i] ?? 0)
}

/** True when the groups from the first have exactly these sizes, and the gaps between them satisfy the test. */
export function hasShape(groups: Groups, sizes: readonly number[], gap: (gap: string) => boolean): boolean {
  if (groups.count < sizes.length) return false
  for (let i = 0; i < sizes.length; i++) {
    if (sizeOf(groups, i) !== sizes[i]) return false
    if (i > 0 && !gap(groups.gap[i] ?? '')) return false
  }
  return true
}

/** True when all of the first `count` groups are joined by the same gap, one of those given. */
export function sameGap(groups: Groups, count: number, allowed: string): boolean {
  const gap = groups.gap[1] ?? ''
  if (gap.length !== 1 || !allowed.includes(gap)) return false
  for (let i = 2; i < count; i++) if (groups.gap[i] !== gap) return false
  return true
}
