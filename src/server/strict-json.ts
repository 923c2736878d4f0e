import type { Json } from '../ports/json.ts'

/** Limits of one message. Beyond any of them the message is refused whole. */
export interface JsonLimits {
  readonly sizeBytesMax: number
  readonly depthMax: number
  readonly keysMax: number
  /** Of the text itself, in UTF-8, whatever its spelling. */
  readonly stringBytesMax: number
  readonly itemsMax: number
}

export const messageLimits: JsonLimits = {
  sizeBytesMax: 1024 * 1024,
  depthMax: 32,
  keysMax: 1000,
  stringBytesMax: 256 * 1024,
  itemsMax: 10_000,
}

export type Parsed = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly why: string }

/**
 * Parses one JSON text (RFC 8259) and refuses what two readers could read differently: ill-formed UTF-8, duplicate
 * keys, `__proto__` and `constructor.prototype`, lone surrogates, integers beyond 2^53, numbers that do not survive a
 * round trip, and anything beyond the limits. `JSON.parse` alone keeps the last duplicate and rounds.
 */
export function parseStrict(bytes: Uint8Array, limits: JsonLimits = messageLimits): Parsed {
  if (bytes.byteLength > limits.sizeBytesMax) return refused('the message is too large')
  if (!isShallow(bytes, limits.depthMax)) return refused('the message is nested too deeply')
  let text: string
  let value: Json
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refused('the message is not valid UTF-8')
  }
  try {
    value = JSON.parse(text) as Json
  } catch {
    return refused('the message is not valid JSON')
  }
  const why = ambiguity(text, limits)
  return why === undefined ? { ok: true, value } : refused(why)
}

const refused = (why: string): Parsed => ({ ok: false, why })

const quote = 34
const backslash = 92
const openList = 91
const endList = 93
const openObject = 123
const endObject = 125
const comma = 44
const minus = 45
const plus = 43
const dot = 46
const zero = 48
const nine = 57
const exponent = 101

/** Whether brackets outside strings nest no deeper than allowed. Read from the bytes: `JSON.parse` would build it all first. */
function isShallow(bytes: Uint8Array, depthMax: number): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < bytes.length && depth <= depthMax; at += 1) {
    const byte = bytes[at]
    if (byte === quote) inString = !inString
    else if (inString) at += byte === backslash ? 1 : 0
    else if (byte === openList || byte === openObject) depth += 1
    else if (byte === endList || byte === endObject) depth -= 1
  }
  return depth <= depthMax
}

/** An object or an array that has begun. */
interface Level {
  readonly isObject: boolean
  /** True for the value of a field `constructor`. */
  readonly ofConstructor: boolean
  /** Commas so far. */
  commas: number
  expectsKey: boolean
  /** The last key, whose value comes next. */
  key: string | undefined
  /** All keys, once there are two: most objects of a hostile million have one or none. */
  keys: Set<string> | undefined
}

/** Walks a text that is known to be JSON, and says what is ambiguous or too big in it. */
function ambiguity(text: string, limits: JsonLimits): string | undefined {
  const levels: Level[] = []
  let level: Level | undefined
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      const end = endOfString(text, at)
      const why = judgeString(text.slice(at, end), level, limits)
      if (why !== undefined) return why
      at = end
    } else if (code === minus || (code >= zero && code <= nine)) {
      const end = endOfNumber(text, at)
      const why = judgeNumber(text, at, end)
      if (why !== undefined) return why
      at = end
    } else {
      if (code === openObject || code === openList) levels.push((level = levelAt(code === openObject, level)))
      else if (code === endObject || code === endList) {
        levels.pop()
        level = levels.at(-1)
      } else if (code === comma && level) {
        level.expectsKey = level.isObject
        level.commas += 1
        if (level.commas >= limits.itemsMax) return 'the message holds too many items'
      }
      at += 1
    }
  }
  return undefined
}

function levelAt(isObject: boolean, around: Level | undefined): Level {
  const ofConstructor = isObject && around?.key === 'constructor'
  return { isObject, ofConstructor, commas: 0, expectsKey: isObject, key: undefined, keys: undefined }
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  for (let code = text.charCodeAt(at); code !== quote; code = text.charCodeAt(at)) at += code === backslash ? 2 : 1
  return at + 1
}

function judgeString(token: string, level: Level | undefined, limits: JsonLimits): string | undefined {
  const text = token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1)
  if (text.length * 3 > limits.stringBytesMax && Buffer.byteLength(text) > limits.stringBytesMax)
    return 'a string is too long'
  if (!text.isWellFormed()) return 'a string holds a lone surrogate'
  return level?.expectsKey ? judgeKey(text, level, limits) : undefined
}

function judgeKey(key: string, level: Level, limits: JsonLimits): string | undefined {
  level.expectsKey = false
  if (key === '__proto__') return 'the field __proto__ is not allowed (unknown field)'
  if (key === 'prototype' && level.ofConstructor) return 'the field constructor.prototype is not allowed'
  if (level.key !== undefined) {
    level.keys ??= new Set([level.key])
    if (level.keys.has(key)) return 'a field appears twice'
    level.keys.add(key)
    if (level.keys.size > limits.keysMax) return 'an object holds too many fields'
  }
  level.key = key
  return undefined
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1
  for (let code = text.charCodeAt(at); isNumeric(code); code = text.charCodeAt(at)) at += 1
  return at
}

const isNumeric = (code: number): boolean =>
  (code >= zero && code <= nine) || code === dot || code === minus || code === plus || (code | 32) === exponent

/** Fifteen significant digits always survive (IEEE 754, DBL_DIG); what is longer or has an exponent is tried. */
function judgeNumber(text: string, start: number, end: number): string | undefined {
  const token = text.slice(start, end)
  if (token.length < 16 && !/e/i.test(token)) return undefined
  const number = Number(token)
  if (!Number.isFinite(number)) return 'a number is too large'
  // 1e300 is an integer too: no canonical form can carry it, however it is spelled.
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) return 'an integer is beyond 2^53'
  return decimal(token) === decimal(String(number)) ? undefined : 'a number has more digits than can be kept'
}

/** One text for one value: its significant digits and the power of ten of the last one. */
function decimal(token: string): string {
  const [, sign = '', whole = '', part = '', power = '0'] =
    /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(token) ?? []
  const digits = (whole + part).replace(/^0+/, '')
  const kept = withoutZeros(digits)
  return kept === '' ? '0' : `${sign}${kept}e${Number(power) - part.length + digits.length - kept.length}`
}

/** Without the zeros at its end, in one pass: a pattern would look again from each of a long run of zeros. */
function withoutZeros(digits: string): string {
  let end = digits.length
  while (digits[end - 1] === '0') end -= 1
  return digits.slice(0, end)
}
