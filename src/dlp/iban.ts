import { contextBefore } from './context.ts'
import type { KeyFacts } from './keys.ts'
import { isAlnum, isDigit, isLetter, isWord } from './letters.ts'
import type { Meter } from './meter.ts'
import { keyContext } from './candidate.ts'
import type { Span } from './span.ts'
import { ibanLength, mod97 } from './validators.ts'

/** ISO 13616: at most 34 characters; grouped in fours, eight spaces more. */
const sizeMax = 34
const sizeMin = 15

/** An IBAN whose two check digits stand at `digits`: its country's length and mod 97, or a word for it before the whole run. */
export function ibanAt(text: string, digits: number, key: KeyFacts | undefined, work: Meter): Span | undefined {
  const start = digits - 2
  const country =
    isLetter(text.charCodeAt(start)) && isLetter(text.charCodeAt(start + 1)) && isDigit(text.charCodeAt(digits + 1))
  if (!country || isWord(text.charCodeAt(start - 1))) return undefined
  const { ends, compact } = read(text, start)
  work.step(ends.length)
  const size = ibanLength(compact.slice(0, 2)) ?? 0
  const end = ends[size - 1]
  if (end !== undefined && !isWord(text.charCodeAt(end)) && mod97(compact.slice(0, size)))
    return { kind: 'iban', start, end, score: 0.97, why: 'checksum' }
  return named(text, start, ends, compact, key)
}

/** After "IBAN" a failed checksum is a typing error, and a run longer than the country's is still somebody's account. */
function named(
  text: string,
  start: number,
  ends: readonly number[],
  compact: string,
  key: KeyFacts | undefined,
): Span | undefined {
  const end = ends.at(-1) ?? start
  if (compact.length < sizeMin || isWord(text.charCodeAt(end)) || compact.replace(/\D/g, '').length < 8)
    return undefined
  const context = contextBefore(text, start) ?? keyContext(key)
  if (context?.hint !== 'iban' || context.wordsBetween > 3) return undefined
  return { kind: 'iban', start, end, score: 0.7, why: 'context' }
}

/** The run in upper case without its gaps, and where each of its characters ends. A gap may follow every fourth. */
function read(text: string, start: number): { readonly ends: readonly number[]; readonly compact: string } {
  const ends: number[] = []
  let compact = ''
  let at = start
  while (ends.length < sizeMax + 1) {
    if (!isAlnum(text.charCodeAt(at))) {
      if (!isGap(text, at, ends.length)) break
      at++
    }
    compact += text[at]
    ends.push(++at)
  }
  return { ends, compact: compact.toUpperCase() }
}

/** A space or dash after a multiple of four, before something that looks like the next four or the last few. */
function isGap(text: string, at: number, length: number): boolean {
  if ((text[at] !== ' ' && text[at] !== '-') || length === 0 || length % 4 !== 0) return false
  let size = 0
  while (size < 5 && isAlnum(text.charCodeAt(at + 1 + size))) size++
  return size === 4 || (size > 0 && size < 4 && isDigit(text.charCodeAt(at + 1)))
}
