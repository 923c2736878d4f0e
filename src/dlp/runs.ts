import { isAlnum, isHex } from './letters.ts'
import type { Meter } from './meter.ts'

/** A stretch of base64 or hexadecimal that turns out to be text. */
export interface Run {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Shorter runs carry less than a mail address; longer ones are files, not hidden values. */
export const runMin = 24
const runMax = 65_536

/** Base64, base64url and hexadecimal runs whose bytes are readable text (RFC 4648). */
export function encodedRuns(text: string, work: Meter): readonly Run[] {
  const found: Run[] = []
  for (let start = 0; start < text.length;) {
    let end = start
    while (isRunChar(text.charCodeAt(end))) end++
    work.step(end - start + 1)
    const run = end - start >= runMin && end - start <= runMax ? text.slice(start, end) : ''
    const decoded = run === '' ? undefined : (readable(run, isHexRun(run) ? 'hex' : 'base64') ?? afterPrefix(run))
    if (decoded !== undefined) found.push({ start, end: paddingEnd(text, end), text: decoded })
    start = end + 1
  }
  return found
}

function isRunChar(code: number): boolean {
  return isAlnum(code) || code === 43 || code === 47 || code === 45 || code === 95
}

function paddingEnd(text: string, end: number): number {
  let at = end
  while (at < end + 2 && text[at] === '=') at++
  return at
}

function isHexRun(run: string): boolean {
  if (run.length % 2 !== 0) return false
  for (let i = 0; i < run.length; i++) if (!isHex(run.charCodeAt(i))) return false
  return true
}

/** A path or a word may be glued to the front: `data/…`, `id-…`. */
function afterPrefix(run: string): string | undefined {
  const mark = Math.max(run.indexOf('/'), run.indexOf('-'), run.indexOf('_'))
  const rest = mark > 0 && mark < 32 ? run.slice(mark + 1) : ''
  return rest.length >= runMin ? readable(rest, 'base64') : undefined
}

/** The bytes as text when they are UTF-8 without control characters; random bytes hardly ever are. */
function readable(run: string, encoding: 'hex' | 'base64'): string | undefined {
  const text = Buffer.from(run, encoding).toString('utf8')
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0xfffd || (code < 32 && code !== 9 && code !== 10 && code !== 13)) return undefined
  }
  return text
}
