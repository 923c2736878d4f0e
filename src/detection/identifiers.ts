import type { Json } from '../ports/json.ts'
import { registrableDomain } from './domain.ts'

/**
 * Something that names a party or a place: a mail address, a URL, a host, an account, a number. Lower case, without scheme, `www.`
 * and trailing punctuation. For a URL, its whole, its host and its registrable domain are three identifiers of one group, so that
 * `https://x.example/collect` in an output taints `https://x.example/collect?data=…` and `https://y.x.example/` in an argument.
 */
export interface Identifier {
  /** Most telling first; the last is the widest. */
  readonly forms: readonly string[]
  readonly kind: 'email' | 'url' | 'host' | 'iban' | 'number'
}

/** Shorter ones name nothing in particular; longer tokens are read up to here. */
const sizeMin = 5
const sizeMax = 2048

/** Most nodes of one value, and most characters of it, that are read. What lies beyond is neither learned nor traced. */
const nodesMax = 100_000
const charsMax = 2_097_152
const depthMax = 64

/** The identifiers of every string, number and member name, each once, at most `max`. One pass; the text may be hostile. */
export function identifiersIn(value: Json, max: number): readonly Identifier[] {
  const found = new Map<string, Identifier>()
  const budget = { nodes: nodesMax, chars: charsMax }
  walk(value, 0, budget, (text) => {
    for (const identifier of inText(text)) {
      if (found.size >= max) return false
      found.set(identifier.forms[0] ?? '', identifier)
    }
    return true
  })
  return [...found.values()]
}

/** Calls back with each text; stops everything at the first false. */
function walk(
  value: Json,
  depth: number,
  budget: { nodes: number; chars: number },
  use: (text: string) => boolean,
): boolean {
  if (--budget.nodes < 0 || depth > depthMax || budget.chars <= 0) return false
  if (typeof value === 'string') {
    const text = value.slice(0, budget.chars)
    budget.chars -= value.length
    return text.length < sizeMin || use(text)
  }
  if (typeof value === 'number') return !Number.isSafeInteger(value) || use(String(Math.abs(value)))
  if (Array.isArray(value)) return (value as readonly Json[]).every((item) => walk(item, depth + 1, budget, use))
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(
    ([key, item]) => walk(key, depth + 1, budget, use) && walk(item, depth + 1, budget, use),
  )
}

/** What separates tokens: white space, quotes, brackets, commas and the like, in any script's usual form. */
const separator = /[\s"'`<>()[\]{},;|\\^*]+/

/** Every identifier has a digit, a dot, a colon or an at sign; most words have none. */
const telling = /[\d.:@]/

function* inText(text: string): Generator<Identifier> {
  for (const raw of text.split(separator)) {
    if (raw.length < sizeMin || !telling.test(raw)) continue
    const token = raw.length > sizeMax ? raw.slice(0, sizeMax) : raw
    yield* inToken(token.toLowerCase())
  }
  yield* spacedAccounts(text)
}

function* inToken(token: string): Generator<Identifier> {
  const named = namedIn(token)
  if (named !== undefined) yield named
  if (named?.kind === 'email' || !/\d/.test(token)) return
  for (const match of token.matchAll(/\d{6,}/g)) if (match[0].length <= 20) yield { kind: 'number', forms: [match[0]] }
}

/** The mail address, URL, host or account that a token is, or ends with after `=` or `:`. */
function namedIn(token: string): Identifier | undefined {
  const scheme = token.indexOf('://')
  if (scheme !== -1) return urlOf(token.slice(scheme + 3))
  const plain = trimmed(token.slice(Math.max(token.lastIndexOf('='), colonBefore(token)) + 1))
  if (plain.length < sizeMin) return undefined
  if (plain.includes('@')) return mailOf(plain)
  if (isAccount(plain)) return { kind: 'iban', forms: [plain] }
  return plain.includes('.') ? bareHost(plain) : undefined
}

/** A colon that introduces, as in `to:x@y.example`; not the one before a port. */
function colonBefore(token: string): number {
  const colon = token.lastIndexOf(':')
  return /^\d+(?:\/|$)/.test(token.slice(colon + 1)) ? -1 : colon
}

function trimmed(token: string): string {
  let start = 0
  let end = token.length
  while (end > start && '.,;:!?#-_/&'.includes(token.charAt(end - 1))) end--
  while (start < end && '.,;:!?#-_/&'.includes(token.charAt(start))) start++
  return token.slice(start, end)
}

function mailOf(token: string): Identifier | undefined {
  const at = token.lastIndexOf('@')
  return at > 0 && isHost(token.slice(at + 1)) ? { kind: 'email', forms: [token] } : undefined
}

function urlOf(rest: string): Identifier | undefined {
  const whole = withoutWww(trimmed(rest))
  const authority = whole.slice(0, endOf(whole, '/?#'))
  const host = withoutPort(authority.slice(authority.lastIndexOf('@') + 1)).replace(/\.+$/, '')
  return host.length < 3 ? undefined : { kind: 'url', forms: formsOf(whole, withoutWww(host)) }
}

function bareHost(token: string): Identifier | undefined {
  const plain = withoutWww(token)
  const host = withoutPort(plain.slice(0, endOf(plain, '/?#')))
  return isHost(host) ? { kind: 'host', forms: formsOf(plain, host) } : undefined
}

function formsOf(whole: string, host: string): readonly string[] {
  return [...new Set([whole, host, registrableDomain(host)])].filter((form) => form.length >= 3)
}

function endOf(text: string, marks: string): number {
  for (let i = 0; i < text.length; i++) if (marks.includes(text.charAt(i))) return i
  return text.length
}

function withoutWww(text: string): string {
  return text.startsWith('www.') ? text.slice(4) : text
}

function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':')
  return colon > host.indexOf(']') && /^\d*$/.test(host.slice(colon + 1)) && !host.slice(0, colon).includes(':')
    ? host.slice(0, colon)
    : host
}

/** Endings of file names that read like top-level domains. */
const fileEndings = new Set(
  'pdf txt csv json yaml yml xml html htm js ts md doc docx xls xlsx ppt pptx png jpg jpeg gif svg zip gz tar log py rb java go rs sh exe dll'.split(
    ' ',
  ),
)

function isHost(host: string): boolean {
  const dot = host.lastIndexOf('.')
  if (dot < 1 || host.length > 253) return false
  const last = host.slice(dot + 1)
  const sound = /^[\p{L}\p{N}._-]+$/u.test(host) && !host.includes('..')
  return sound && /^(?:\p{L}{2,24}|xn--[a-z0-9-]+)$/u.test(last) && !fileEndings.has(last)
}

/** Two letters, two digits, eleven to thirty more (ISO 13616), whatever they check to. */
function isAccount(token: string): boolean {
  return token.length >= 15 && token.length <= 34 && /^[a-z]{2}\d{2}[a-z0-9]+$/.test(token) && /\d{4}/.test(token)
}

/** Accounts written in fours: `GB29 NWBK 6016 1331 9268 19`. */
function* spacedAccounts(text: string): Generator<Identifier> {
  for (const match of text.matchAll(/\b[A-Za-z]{2}\d{2}(?:[ -][A-Za-z0-9]{4}){2,7}(?:[ -][A-Za-z0-9]{1,3})?\b/g)) {
    const plain = match[0].replace(/[ -]/g, '').toLowerCase()
    if (isAccount(plain)) yield { kind: 'iban', forms: [plain] }
  }
}
