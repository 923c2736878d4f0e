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
  const size = ibanLength(text.slice(start, digits).toUpperCase()) ?? 0
  const run = read(text, start, size)
  work.step(run.length)
  const { at: end } = run
  if (end > 0 && !isWord(text.charCodeAt(end)) && mod97(compact(text, start, end)))
    return { kind: 'iban', start, end, score: 0.97, why: 'checksum' }
  return named(text, start, run, key)
}

/** After "IBAN" a failed checksum is a typing error, and a run longer than the country's is still somebody's account. */
function named(text: string, start: number, run: Run, key: KeyFacts | undefined): Span | undefined {
  const { end } = run
  if (run.length < sizeMin || run.digits < 8 || isWord(text.charCodeAt(end))) return undefined
  const context = contextBefore(text, start) ?? keyContext(key)
  if (context?.hint !== 'iban' || context.wordsBetween > 3) return undefined
  return { kind: 'iban', start, end, score: 0.7, why: 'context' }
}

/** Letters and digits in a row, with a gap after every fourth at most. */
interface Run {
  readonly length: number
  readonly digits: number
  readonly end: number
  /** Where the first `size` of them end; 0 when there are fewer. */
  readonly at: number
}

/** Reads at most one more than any IBAN has. Keeps no text: most runs are none. */
function read(text: string, start: number, size: number): Run {
  let length = 0
  let digits = 0
  let end = start
  let at = 0
  while (length < sizeMax + 1) {
    let code = text.charCodeAt(end)
    if (!isAlnum(code)) {
      if (!isGap(text, end, length)) break
      code = text.charCodeAt(++end)
    }
    if (isDigit(code)) digits++
    end++
    if (++length === size) at = end
  }
  return { length, digits, end, at }
}

function compact(text: string, start: number, end: number): string {
  return text.slice(start, end).replace(/[ -]/g, '').toUpperCase()
}

/** A space or dash after a multiple of four, before something that looks like the next four or the last few. */
function isGap(text: string, at: number, length: number): boolean {
  const code = text.charCodeAt(at)
  if ((code !== 32 && code !== 45) || length === 0 || length % 4 !== 0) return false
  let size = 0
  while (size < 5 && isAlnum(text.charCodeAt(at + 1 + size))) size++
  return size === 4 || (size > 0 && size < 4 && isDigit(text.charCodeAt(at + 1)))
}
