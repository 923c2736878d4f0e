import { isAlnum, isLetter, isWord } from './letters.ts'
import type { Meter } from './meter.ts'
import type { Span } from './span.ts'

/** RFC 5321 §4.5.3.1: octets before the `@`, and after it. */
const localMax = 64
const domainMax = 255

/** What follows `@` in file names such as `logo@2x.png`, and is no top-level domain. */
const fileEndings = new Set(
  'png jpg jpeg gif svg webp ico css js mjs ts tsx jsx json map html md txt pdf zip gz'.split(' '),
)

/** Finds mail addresses by expanding from each `@`. Bounded work per `@`, and both sides stop at the next one. */
export function emails(text: string, work: Meter): readonly Span[] {
  const found: Span[] = []
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    const start = localStart(text, at)
    const end = domainEnd(text, at + 1)
    work.step(at - start + end - at + 1)
    if (start < at && isDomain(text.slice(at + 1, end)) && !isRepository(text, start, at, end))
      found.push({ kind: 'email', start, end, score: 0.95, why: 'shape' })
  }
  return found
}

function localStart(text: string, at: number): number {
  let start = at
  while (at - start < localMax && isLocal(text.charCodeAt(start - 1))) start--
  while (start < at && !isWord(text.charCodeAt(start))) start++
  return text.charCodeAt(at - 1) === 46 ? at : start
}

/** Dot-atom characters (RFC 5322 §3.2.3) that occur in practice; letters beyond ASCII too (RFC 6531). */
function isLocal(code: number): boolean {
  return isWord(code) || code === 46 || code === 45 || code === 43 || code === 37 || code === 39
}

function domainEnd(text: string, from: number): number {
  let end = from
  while (end - from < domainMax && (isWord(text.charCodeAt(end)) || isJoint(text.charCodeAt(end)))) end++
  while (end > from && isJoint(text.charCodeAt(end - 1))) end--
  return end
}

function isJoint(code: number): boolean {
  return code === 45 || code === 46
}

function isDomain(domain: string): boolean {
  const dot = domain.lastIndexOf('.')
  if (dot < 1 || domain.includes('..') || !isWord(domain.charCodeAt(0))) return false
  const last = domain.slice(dot + 1).toLowerCase()
  return last.length >= 2 && (isTopLevel(last) || last.startsWith('xn--')) && !fileEndings.has(last)
}

function isTopLevel(label: string): boolean {
  for (let i = 0; i < label.length; i++) {
    const code = label.charCodeAt(i)
    if (!isLetter(code) && code < 128) return false
  }
  return true
}

/** `git@host.example:owner/name` is where code lives, not where a person reads mail. */
function isRepository(text: string, start: number, at: number, end: number): boolean {
  return text.slice(start, at) === 'git' && text[end] === ':' && isAlnum(text.charCodeAt(end + 1))
}
