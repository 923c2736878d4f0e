import { entropy, isPlaceholder } from './entropy.ts'
import type { Kind } from './finding.ts'
import { isOurs, isSecret } from './kinds.ts'
import { keyFacts } from './keys.ts'
import { isAlnum, isSpace } from './letters.ts'
import type { Meter } from './meter.ts'
import type { Span } from './span.ts'

/** How far a name is read to the left of its `=` or `:`, and a value to the right. */
const nameMax = 48
const valueMax = 2048

/** Secrets written as `password=…`, `"apiKey": "…"`, `Authorization: Bearer …`: the value after a name that says so. */
export function assignments(text: string, work: Meter): readonly Span[] {
  const found: Span[] = []
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code !== 58 && code !== 61) continue
    const name = nameBefore(text, i)
    work.step(name.length + 4)
    const kind = name === '' ? undefined : keyFacts(name).kind
    const span = kind !== undefined && isSecret(kind) ? valueAfter(text, i + 1, kind, work) : undefined
    if (span === undefined) continue
    found.push(span)
    i = span.end - 1
  }
  return found
}

function nameBefore(text: string, at: number): string {
  let end = at
  while (at - end < 8 && (isSpace(text.charCodeAt(end - 1)) || isQuote(text[end - 1]) || text[end - 1] === '\\')) end--
  let start = end
  while (end - start < nameMax && isNameChar(text.charCodeAt(start - 1))) start--
  return text.slice(start, end)
}

function isNameChar(code: number): boolean {
  return isAlnum(code) || code === 95 || code === 45 || code === 46
}

function isQuote(char: string | undefined): boolean {
  return char === '"' || char === "'" || char === '`'
}

function valueAfter(text: string, from: number, kind: Kind, work: Meter): Span | undefined {
  let start = from
  while (start - from < 12 && (isSpace(text.charCodeAt(start)) || '>=\\'.includes(text[start] ?? ' '))) start++
  if (/^(?:bearer|basic|token)\s/i.test(text.slice(start + (isQuote(text[start]) ? 1 : 0), start + 8)))
    start = text.indexOf(' ', start) + 1
  const quote = isQuote(text[start]) ? text[start] : undefined
  if (quote !== undefined) start++
  const end = quote === undefined ? bareEnd(text, start) : quotedEnd(text, start, quote)
  work.step(end - start + 12)
  const value = text.slice(start, end)
  return isSecretValue(value, kind, quote !== undefined)
    ? { kind, start, end, score: 0.8, why: 'named as a secret' }
    : undefined
}

function quotedEnd(text: string, start: number, quote: string): number {
  let end = start
  while (end < text.length && end - start < valueMax && text[end] !== quote && text[end] !== '\n') end++
  while (end > start && text[end - 1] === '\\') end--
  return end
}

function bareEnd(text: string, start: number): number {
  let end = start
  while (
    end < text.length &&
    end - start < valueMax &&
    !isSpace(text.charCodeAt(end)) &&
    !'"\'`,;&|)<>'.includes(text[end] ?? '')
  )
    end++
  while (end > start && '.:'.includes(text[end - 1] ?? '')) end--
  return end
}

/** What a password may be without being a word of the sentence; what a token may be without being code. */
function isSecretValue(value: string, kind: Kind, quoted: boolean): boolean {
  if (
    value.length < 4 ||
    isPlaceholder(value) ||
    isOurs(value) ||
    isOurs(`${kind}:${value}`) ||
    value.startsWith('***')
  )
    return false
  if (/[(){}<>]/.test(value) && !quoted) return false
  if (kind === 'password') return quoted || /[^a-z]/i.test(value) || value.length >= 8
  return value.length >= 8 && entropy(value) >= 2.8 && (/\d/.test(value) || value.length >= 16) && !/\s/.test(value)
}
