import { keyContext } from './candidate.ts'
import { contextBefore } from './context.ts'
import type { KeyFacts } from './keys.ts'
import { isDigit, isWord } from './letters.ts'
import type { Meter } from './meter.ts'
import type { Span } from './span.ts'

/** What a scanner's text recognition makes of digits: O for 0, l for 1, S for 5, B for 8. */
const misread = 'OoDlI|SBZ'

/** Social security numbers with misread digits, `94S-51-2433`; only right after a word for them. */
export function scannedSsns(text: string, work: Meter, key?: KeyFacts): readonly Span[] {
  const found: Span[] = []
  for (let dash = text.indexOf('-'); dash !== -1; dash = text.indexOf('-', dash + 1)) {
    work.step(1)
    if (text[dash + 3] !== '-') continue
    const start = dash - 3
    const end = dash + 8
    if (!looksLikeOne(text, start, end)) continue
    const context = contextBefore(text, start) ?? keyContext(key)
    work.step(60)
    if (context?.hint === 'ssn' && context.wordsBetween <= 2)
      found.push({ kind: 'ssn', start, end, score: 0.6, why: 'context' })
  }
  return found
}

function looksLikeOne(text: string, start: number, end: number): boolean {
  let digits = 0
  for (let i = start; i < end; i++) {
    if (i === start + 3 || i === start + 6) continue
    if (isDigit(text.charCodeAt(i))) digits++
    else if (!misread.includes(text[i] ?? ' ')) return false
  }
  return digits >= 4 && digits < 9 && !isWord(text.charCodeAt(start - 1)) && !isWord(text.charCodeAt(end))
}
