import { entropy, isPlaceholder } from './entropy.ts'
import { isAlnum, isLetter, isSpace, isTokenChar } from './letters.ts'
import type { Meter } from './meter.ts'
import type { Span } from './span.ts'
import { vendorAt } from './vendors.ts'

/** Longest private key block that is read; one that does not end within it is covered up to here and no further. */
const pemMax = 16_384

/** Private keys in PEM (RFC 7468) and OpenSSH form. A block without its end line is covered as far as it looks like one. */
export function privateKeys(text: string, work: Meter): readonly Span[] {
  const found: Span[] = []
  let last = -1
  for (let start = text.indexOf(begin); start !== -1;) {
    const label = text.slice(start + begin.length, start + begin.length + 64).indexOf('-----')
    const body = start + begin.length + label + 5
    work.step(64)
    if (label === -1 || !text.slice(start, body).includes('PRIVATE KEY')) {
      start = text.indexOf(begin, start + begin.length)
      continue
    }
    if (last !== text.length && last < body) {
      last = endLineFrom(text, body)
      work.step(last - body)
    }
    const end = last - start <= pemMax && last < text.length ? lineEnd(text, last) : bodyEnd(text, body)
    work.step(end - start)
    found.push({ kind: 'private_key', start, end, score: 1, why: 'shape' })
    start = text.indexOf(begin, end)
  }
  return found
}

const begin = '-----BEGIN '

/** Where the next end line begins; the text's length when there is none, so that it is looked for once. */
function endLineFrom(text: string, from: number): number {
  const at = text.indexOf('-----END ', from)
  return at === -1 ? text.length : at
}

function lineEnd(text: string, at: number): number {
  const close = text.slice(at + 9, at + 73).indexOf('-----')
  return close === -1 ? at + 9 : at + 9 + close + 5
}

function bodyEnd(text: string, body: number): number {
  const limit = Math.min(text.length, body + pemMax)
  let at = body
  while (at < limit && isPemChar(text.charCodeAt(at))) at++
  return at
}

/** Base64, white space, and the backslashes, quotes and plus signs of a key pasted into source. */
function isPemChar(code: number): boolean {
  return isAlnum(code) || isSpace(code) || code === 43 || code === 47 || code === 61 || code === 92 || code === 34
}

/** JSON Web Tokens (RFC 7519): two or three base64url parts whose first decodes to a header with `alg`. */
export function jwts(text: string, work: Meter): readonly Span[] {
  const found: Span[] = []
  for (let start = text.indexOf('eyJ'); start !== -1;) {
    const end = tokenEnd(text, start)
    work.step(end - start + 1)
    const parts = text.slice(start, end).split('.')
    const begins = !isTokenChar(text.charCodeAt(start - 1))
    if (begins && parts.length >= 2 && parts.length <= 5 && isHeader(parts[0] ?? ''))
      found.push({ kind: 'jwt', start, end, score: 1, why: 'header' })
    start = text.indexOf('eyJ', end)
  }
  return found
}

function tokenEnd(text: string, start: number): number {
  let end = start
  while (isTokenChar(text.charCodeAt(end)) || text[end] === '.') end++
  while (end > start && text[end - 1] === '.') end--
  return end
}

function isHeader(part: string): boolean {
  if (part.length > 4096) return false
  const text = Buffer.from(part, 'base64url').toString('utf8')
  return text.startsWith('{') && text.includes('"alg"')
}

/** Tokens that begin with a vendor's documented prefix and go on at random. */
export function vendorTokens(text: string, work: Meter): readonly Span[] {
  const found: Span[] = []
  for (let start = 0; start < text.length;) {
    if (!isLetter(text.charCodeAt(start))) {
      start++
      continue
    }
    const vendor = vendorAt(text, start)
    const end = wordEnd(text, vendor === undefined ? start : start + vendor.prefix.length)
    work.step(end - start)
    const size = vendor === undefined ? 0 : end - start - vendor.prefix.length
    if (
      vendor !== undefined &&
      size >= vendor.restMin &&
      size <= vendor.restMax &&
      isRandom(text.slice(start + vendor.prefix.length, end))
    )
      found.push({ kind: vendor.kind, start, end, score: 0.95, why: 'vendor prefix' })
    start = end
  }
  return found
}

/** Tokens run over dots only where something follows, as in `SG.x.y`. */
function wordEnd(text: string, from: number): number {
  let end = from
  while (
    isTokenChar(text.charCodeAt(end)) ||
    (text[end] === '.' && end > from && isTokenChar(text.charCodeAt(end + 1)))
  )
    end++
  return end
}

/** Words joined by underscores have neither digits nor both cases; tokens do. */
function isRandom(rest: string): boolean {
  const mixed = /\d/.test(rest) || (/[a-z]/.test(rest) && /[A-Z]/.test(rest))
  return mixed && entropy(rest) >= 2.5 && !isPlaceholder(rest)
}

/** Longest `user:password@` that is read between `://` and the host. */
const userinfoMax = 512

/** URLs that carry a password (RFC 3986 §3.2.1), up to the end of the URL: the host and database say what it opens. */
export function connectionStrings(text: string, work: Meter): readonly Span[] {
  const found: Span[] = []
  for (let at = text.indexOf('://'); at !== -1; at = text.indexOf('://', at + 3)) {
    const start = schemeStart(text, at)
    const from = at + 3
    const sign = passwordEnd(text, from)
    work.step(at - start + (sign === -1 ? userinfoMax : sign - from))
    if (start === at || sign === -1) continue
    const colon = text.indexOf(':', from)
    if (colon === -1 || colon >= sign || isPlaceholder(text.slice(colon + 1, sign))) continue
    found.push({
      kind: 'connection_string',
      start,
      end: urlEnd(text, sign, work),
      score: 0.9,
      why: 'password in a URL',
    })
  }
  return found
}

function schemeStart(text: string, at: number): number {
  let start = at
  while (at - start < 32 && (isAlnum(text.charCodeAt(start - 1)) || '+-.'.includes(text[start - 1] ?? ' '))) start--
  while (start < at && !isLetter(text.charCodeAt(start))) start++
  return start
}

/** The last `@` before the authority ends: passwords hold unescaped ones. */
function passwordEnd(text: string, from: number): number {
  let sign = -1
  for (let i = from; i < from + userinfoMax; i++) {
    const code = text.charCodeAt(i)
    if (code === 64) sign = i
    if (Number.isNaN(code) || isSpace(code) || code === 34 || code === 39 || code === 47 || code === 60 || code === 62)
      break
  }
  return sign
}

function urlEnd(text: string, from: number, work: Meter): number {
  let end = from
  while (
    end < text.length &&
    end - from < 1024 &&
    !isSpace(text.charCodeAt(end)) &&
    !'"\'<>`)]},'.includes(text[end] ?? '')
  )
    end++
  work.step(end - from)
  while (end > from && '.;,'.includes(text[end - 1] ?? '')) end--
  return end
}
