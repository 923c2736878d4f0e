import { sizeOf } from './groups.ts'
import { isAlnum, isDigit, isHex, isWord } from './letters.ts'
import type { Meter } from './meter.ts'
import type { Candidate, Claim } from './candidate.ts'
import type { Span } from './span.ts'

/** Four octets in dotted decimal, without leading zeros; not the version of something. */
export function ipv4Of(candidate: Candidate): Claim | undefined {
  const { text, run, joined } = candidate
  if (run.count < 4 || joined || run.gap[4] === '.') return undefined
  for (let i = 0; i < 4; i++) if (sizeOf(run, i) > 3 || (i > 0 && run.gap[i] !== '.')) return undefined
  const octets = parseIpv4(text.slice(run.start[0], run.end[3]))
  const near = octets && candidate.context()
  if (octets === undefined || (near?.hint === 'other' && near.wordsBetween === 0)) return undefined
  return { groups: 4, kind: 'ip', score: 0.9, why: 'shape', reserved: isReservedIpv4(octets) }
}

export function parseIpv4(text: string): readonly number[] | undefined {
  const parts = text.split('.')
  const octets = parts.map(Number)
  const sound = parts.every((part, i) => /^(0|[1-9]\d{0,2})$/.test(part) && (octets[i] ?? 256) <= 255)
  return parts.length === 4 && sound ? octets : undefined
}

/** Loopback, private, link-local, shared, documentation, multicast and future use (RFC 6890, RFC 5737). */
function isReservedIpv4([a = 0, b = 0, c = 0]: readonly number[]): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return true
  if (a === 100) return b >= 64 && b < 128
  if (a === 169) return b === 254
  if (a === 172) return b >= 16 && b < 32
  if (a === 192) return b === 168 || (b === 0 && (c === 2 || c === 0))
  if (a === 198) return b === 18 || b === 19 || (b === 51 && c === 100)
  return a === 203 && b === 0 && c === 113
}

/** IPv6 addresses (RFC 4291 §2.2) and MAC addresses, expanded from each colon; both sides of it are read once. */
export function colonAddresses(text: string, work: Meter): readonly Span[] {
  const found: Span[] = []
  for (let colon = text.indexOf(':'); colon !== -1;) {
    let start = colon
    while (isHex(text.charCodeAt(start - 1)) && colon - start < 5) start--
    let end = colon
    while (isAddressChar(text, end)) end++
    work.step(end - start + 1)
    const span = isWord(text.charCodeAt(start - 1)) ? undefined : addressOf(text, start, end)
    if (span !== undefined) found.push(span)
    colon = text.indexOf(':', end)
  }
  return found
}

function isAddressChar(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return isHex(code) || code === 58 || (code === 46 && isDigit(text.charCodeAt(at + 1)))
}

function addressOf(text: string, start: number, longest: number): Span | undefined {
  let end = longest
  while (text[end - 1] === '.' || (text[end - 1] === ':' && text[end - 2] !== ':')) end--
  if (isAlnum(text.charCodeAt(end)) || end - start > 45) return undefined
  const address = text.slice(start, end)
  if (address.length < 11 && !address.includes('::')) return undefined
  if (isMac(address)) return { kind: 'mac', start, end, score: 0.9, why: 'shape' }
  const groups = parseIpv6(address)
  if (groups === undefined || !/\d/.test(address)) return undefined
  return { kind: 'ip', start, end, score: 0.9, why: 'shape', ...(isReservedIpv6(groups) && { reserved: true }) }
}

/** The eight groups of an IPv6 address, or undefined. */
export function parseIpv6(text: string): readonly number[] | undefined {
  const whole = text.includes('.') ? withoutDotted(text) : text
  const groups: number[] = []
  let gap = whole.startsWith('::') ? 0 : -1
  for (let at = gap === 0 ? 2 : 0; at < whole.length; at++) {
    const from = at
    while (isHex(whole.charCodeAt(at))) at++
    if (at === from || at > from + 4 || groups.length === 8) return undefined
    groups.push(Number.parseInt(whole.slice(from, at), 16))
    if (at === whole.length) break
    if (whole[at] !== ':' || at + 1 === whole.length) return undefined
    if (whole[at + 1] !== ':') continue
    if (gap !== -1) return undefined
    gap = groups.length
    at++
  }
  return gap === -1 ? (groups.length === 8 ? groups : undefined) : filled(groups, gap)
}

/** The zeros that `::` stands for: at least one group. */
function filled(groups: readonly number[], gap: number): readonly number[] | undefined {
  const missing = 8 - groups.length
  if (missing < 1) return undefined
  return [...groups.slice(0, gap), ...Array.from({ length: missing }, () => 0), ...groups.slice(gap)]
}

/** An IPv4 address may stand for the last two groups; here they are in hexadecimal. */
function withoutDotted(text: string): string {
  const from = text.lastIndexOf(':') + 1
  const [a, b, c, d] = parseIpv4(text.slice(from)) ?? []
  if (a === undefined || b === undefined || c === undefined || d === undefined) return text
  return `${text.slice(0, from)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

/** Unspecified, loopback, unique local, link-local, multicast, documentation; and IPv4 inside, judged as itself. */
function isReservedIpv6(groups: readonly number[]): boolean {
  const [a = 0, b = 0, , , , f = 0, g = 0, h = 0] = groups
  const zeros = groups.slice(0, 5).every((group) => group === 0)
  if (zeros && (f === 0xffff || f === 0)) return isReservedIpv4([g >> 8, g & 255, h >> 8, h & 255])
  return (a & 0xfe00) === 0xfc00 || (a & 0xffc0) === 0xfe80 || a >= 0xff00 || (a === 0x2001 && b === 0xdb8)
}

function isMac(text: string): boolean {
  return text.length === 17 && /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)
}

/** The two other spellings of a MAC address: `0a-1b-2c-3d-4e-5f` and `0a1b.2c3d.4e5f`. */
export function otherMacs(text: string, work: Meter): readonly Span[] {
  return [...macsAt(text, '-', 2, 17, work), ...macsAt(text, '.', 4, 14, work)]
}

function macsAt(text: string, mark: string, lead: number, size: number, work: Meter): readonly Span[] {
  const found: Span[] = []
  for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, at + 1)) {
    const start = at - lead
    work.step(1)
    if (start < 0 || text[at + lead + 1] !== mark || isWord(text.charCodeAt(start - 1))) continue
    const end = start + size
    if (isAlnum(text.charCodeAt(end)) || text[end] === mark || !isMac(rewritten(text.slice(start, end), mark))) continue
    work.step(size)
    found.push({ kind: 'mac', start, end, score: 0.85, why: 'shape' })
  }
  return found
}

/** In the common spelling; empty when it has no digit or no letter, because then it is some other number or a word. */
function rewritten(text: string, mark: string): string {
  const plain = text.split(mark).join('')
  if (plain.length !== 12 || !/\d/.test(plain) || !/[a-f]/i.test(plain)) return ''
  return plain.replace(/(..)(?!$)/g, '$1:')
}
