import { folded, isInvisible } from './confusables.ts'
import { isHex } from './letters.ts'
import type { Meter } from './meter.ts'

/** Another reading of a text, and where each of its characters comes from. */
interface View {
  readonly text: string
  /** Offset in the source where each character begins; one more entry for the end. */
  readonly from: Int32Array
}

/** A piece of source that stands for something else: what, and how long it is. */
interface Piece {
  readonly text: string
  readonly size: number
}

/**
 * The text with percent-encoding, HTML entities and backslash escapes undone, lookalike characters folded and invisible ones
 * taken out, in one pass; undefined when nothing changed. Read it again to undo a second layer.
 */
export function decodedView(text: string, work: Meter): View | undefined {
  work.step(text.length)
  const from = new Int32Array(text.length + 1)
  const parts: string[] = []
  let size = 0
  let plainFrom = 0
  for (let i = 0; i < text.length;) {
    const piece = pieceAt(text, i)
    if (piece === undefined) {
      from[size++] = i++
      continue
    }
    parts.push(text.slice(plainFrom, i), piece.text)
    for (let k = 0; k < piece.text.length; k++) from[size++] = i
    i += piece.size
    plainFrom = i
  }
  if (parts.length === 0) return undefined
  from[size] = text.length
  parts.push(text.slice(plainFrom))
  return { text: parts.join(''), from: from.subarray(0, size + 1) }
}

function pieceAt(text: string, at: number): Piece | undefined {
  const code = text.charCodeAt(at)
  if (code > 127) return beyondAscii(text, at, code)
  if (code === 37) return percent(text, at)
  if (code === 38) return entity(text, at)
  return code === 92 ? escape(text, at) : undefined
}

function beyondAscii(text: string, at: number, code: number): Piece | undefined {
  if (isInvisible(code)) return { text: '', size: 1 }
  const point = text.codePointAt(at) ?? code
  const char = String.fromCodePoint(point)
  if (point >= 0xe0000 && point <= 0xe0fff) return { text: '', size: 2 }
  const plain = folded(char)
  return plain === char ? undefined : { text: plain, size: char.length }
}

/** RFC 3986 §2.1. Only printable ASCII and UTF-8 sequences; anything else stays as written. */
function percent(text: string, at: number): Piece | undefined {
  const bytes: number[] = []
  for (let i = at; text[i] === '%' && bytes.length < 4; i += 3) {
    const byte = hexAt(text, i + 1, 2)
    if (byte === undefined) break
    bytes.push(byte)
    if (byte < 128) break
  }
  const [first] = bytes
  if (first === undefined) return undefined
  if (first < 128) return first >= 32 || first === 10 ? { text: String.fromCharCode(first), size: 3 } : undefined
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  const char = Buffer.from(bytes.slice(0, size)).toString('utf8')
  return bytes.length < size || char.includes('\ufffd') ? undefined : { text: char, size: size * 3 }
}

const named: Readonly<Record<string, string>> = {
  amp: '&', commat: '@', period: '.', colon: ':', sol: '/', lowbar: '_', hyphen: '-', dash: '-', plus: '+', equals: '=',
  lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ', lpar: '(', rpar: ')', num: '#', shy: '',
} // prettier-ignore

function entity(text: string, at: number): Piece | undefined {
  const end = text.slice(at, at + 12).indexOf(';')
  if (end < 2) return undefined
  const body = text.slice(at + 1, at + end)
  if (!body.startsWith('#')) return Object.hasOwn(named, body) ? { text: named[body] ?? '', size: end + 1 } : undefined
  const hex = body[1] === 'x' || body[1] === 'X'
  const digits = body.slice(hex ? 2 : 1)
  const point = (hex ? /^[0-9a-f]+$/i : /^\d+$/).test(digits) ? Number.parseInt(digits, hex ? 16 : 10) : 0
  return point >= 32 && point <= 0x10ffff ? { text: String.fromCodePoint(point), size: end + 1 } : undefined
}

/** `\u0040`, `\x40`, `\/`: JSON, JavaScript and their neighbours. */
function escape(text: string, at: number): Piece | undefined {
  const next = text[at + 1]
  if (next === '/') return { text: '/', size: 2 }
  const width = next === 'u' ? 4 : next === 'x' ? 2 : 0
  const code = width === 0 ? undefined : hexAt(text, at + 2, width)
  return code !== undefined && code >= 32 ? { text: String.fromCharCode(code), size: width + 2 } : undefined
}

function hexAt(text: string, at: number, width: number): number | undefined {
  for (let i = at; i < at + width; i++) if (!isHex(text.charCodeAt(i))) return undefined
  return Number.parseInt(text.slice(at, at + width), 16)
}
