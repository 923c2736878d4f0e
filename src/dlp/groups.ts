import { isDigit } from './letters.ts'

/** How far a number is read: enough for a card in fours, or the longest phone. */
const groupsMax = 8

/** What may stand between two groups of one number. */
const separators = new Set([' ', '-', '.', '/', ')', ') ', ')-', ' (', '(', '-(', '.(', ' - ', ') - '])

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

/** Reads the groups from the digit at `from`. Gives how many characters it looked at. */
export function readGroups(text: string, from: number, into: Groups): number {
  let at = from
  let gap = ''
  for (into.count = 0; into.count < groupsMax;) {
    let end = at
    while (isDigit(text.charCodeAt(end))) end++
    into.start[into.count] = at
    into.end[into.count] = end
    into.gap[into.count++] = gap
    at = nextGroup(text, end)
    gap = text.slice(end, at)
    if (gap === '') break
  }
  into.gap[into.count] = ''
  return at - from
}

function nextGroup(text: string, end: number): number {
  for (let width = 1; width <= 4; width++)
    if (isDigit(text.charCodeAt(end + width))) return separators.has(text.slice(end, end + width)) ? end + width : end
  return end
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
