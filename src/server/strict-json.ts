import type { Json } from '../ports/json.ts'

/** Limits of one message. Beyond any of them the message is refused whole. */
export interface JsonLimits {
  readonly sizeBytesMax: number
  readonly depthMax: number
  readonly keysMax: number
  readonly stringLengthMax: number
  readonly itemsMax: number
}

export const messageLimits: JsonLimits = {
  sizeBytesMax: 1024 * 1024,
  depthMax: 32,
  keysMax: 1000,
  stringLengthMax: 300 * 1024,
  itemsMax: 10_000,
}

export type Parsed = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly why: string }

/**
 * Parses one JSON text (RFC 8259) and refuses what two readers could read differently: ill-formed UTF-8, duplicate
 * keys, `__proto__`, lone surrogates, integers beyond 2^53, numbers that do not survive a round trip, and anything
 * beyond the limits. `JSON.parse` alone keeps the last duplicate and rounds.
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

const [quote, backslash, openList, openObject, endList, endObject] = Buffer.from('"\\[{]}')

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

interface Level {
  /** Keys seen, for an object; absent for an array. */
  readonly keys?: Set<string>
  count: number
  expectsKey: boolean
}

/** Walks a text that is known to be JSON, and says what is ambiguous or too big in it. */
function ambiguity(text: string, limits: JsonLimits): string | undefined {
  const levels: Level[] = []
  let at = 0
  while (at < text.length) {
    const char = text[at] as string
    const level = levels.at(-1)
    if (char === '"') {
      const end = endOfString(text, at)
      const why = judgeString(text.slice(at, end), level, limits)
      if (why !== undefined) return why
      at = end
      continue
    }
    if (char === '{' || char === '[') {
      levels.push(char === '{' ? { keys: new Set(), count: 0, expectsKey: true } : { count: 0, expectsKey: false })
    } else if (char === '}' || char === ']') levels.pop()
    else if (char === ',' && level) {
      level.expectsKey = level.keys !== undefined
      level.count += 1
      if (level.count >= limits.itemsMax) return 'the message holds too many items'
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      const number = numberAt(text, at)
      const why = judgeNumber(number)
      if (why !== undefined) return why
      at += number.length
      continue
    }
    at += 1
  }
  return undefined
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function judgeString(token: string, level: Level | undefined, limits: JsonLimits): string | undefined {
  if (token.length > limits.stringLengthMax) return 'a string is too long'
  const text = token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1)
  if (!text.isWellFormed()) return 'a string holds a lone surrogate'
  if (!level?.keys || !level.expectsKey) return undefined
  level.expectsKey = false
  if (text === '__proto__') return 'the field __proto__ is not allowed (unknown field)'
  if (level.keys.has(text)) return 'a field appears twice'
  level.keys.add(text)
  return level.keys.size > limits.keysMax ? 'an object holds too many fields' : undefined
}

function numberAt(text: string, start: number): string {
  let end = start + 1
  while (end < text.length && '+-.eE0123456789'.includes(text[end] as string)) end += 1
  return text.slice(start, end)
}

function judgeNumber(token: string): string | undefined {
  const number = Number(token)
  if (!Number.isFinite(number)) return 'a number is too large'
  // 1e300 is an integer too: no canonical form can carry it, however it is spelled.
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) return 'an integer is beyond 2^53'
  if (!/^-?[0-9]+$/.test(token) && number !== 0 && token.replace(/[^0-9]/g, '').length > 40)
    return 'a number has too many digits'
  return undefined
}
