/** Which check a token failed. `stage` says how far it came: only past `signature` is a word of it believed. */
export interface Why {
  readonly stage: 'form' | 'signature' | 'claims'
  /** What was looked at: `alg`, `kid`, `exp`, `aud`. */
  readonly check: string
  /** One sentence for operators. Holds no part of the token. */
  readonly message: string
}

/** A compact JWS, taken apart. Nothing in it is proven yet. */
export interface Compact {
  readonly alg: string
  readonly kid?: string
  readonly typ?: string
  readonly cty?: string
  readonly payload: Buffer
}

/** Longest token that is looked at. An honest access token has a tenth of it. */
const tokenCharsMax = 8192

/**
 * Takes a compact JWS apart. One token has one spelling: each part must be the base64url text its bytes encode to,
 * or a replay key over the text could be dodged. Refuses header extensions (`crit`, `b64`), repeated member names
 * and anything of more or fewer than three parts. Header keys and key addresses (`jwk`, `jku`, `x5u`, `x5c`) are
 * never read (RFC 8725 §3.10).
 */
export function readCompact(token: string): Compact | Why {
  if (token.length > tokenCharsMax) return form('size', `The token is longer than ${tokenCharsMax} characters.`)
  const parts = token.split('.')
  const [head, body, signature] = parts.map(canonicalBytes)
  if (parts.length !== 3 || !head || !body || !signature) {
    return form('encoding', 'The token is no JWT: not three canonical base64url parts. Opaque tokens are not taken.')
  }
  const header = objectFrom(head)
  return header
    ? readHeader(header, body)
    : form('header', 'The token header is not one JSON object with distinct names.')
}

/** True when `readCompact` or a later check refused. */
export function isWhy(value: object): value is Why {
  return 'stage' in value && 'check' in value
}

function readHeader(header: Readonly<Record<string, unknown>>, payload: Buffer): Compact | Why {
  for (const name of ['crit', 'b64', 'zip', 'enc']) {
    if (name in header) return form(name, `The token header uses "${name}", which is not offered.`)
  }
  const { alg, kid, typ, cty } = header
  if (typeof alg !== 'string') return form('alg', 'The token header names no algorithm.')
  if (!isShortText(kid)) return form('kid', 'The key id in the token header is not a short text.')
  if (!isShortText(typ) || !isShortText(cty)) return form('typ', 'The type in the token header is not a short text.')
  return {
    alg,
    payload,
    ...(kid !== undefined && { kid }),
    ...(typ !== undefined && { typ }),
    ...(cty !== undefined && { cty }),
  }
}

function isShortText(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && value.length > 0 && value.length <= 256)
}

/** The bytes of a base64url part, unless the part is empty or another text would give the same bytes. */
function canonicalBytes(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.length > 0 && bytes.toString('base64url') === part ? bytes : undefined
}

/**
 * Parses one JSON object that every reader reads alike. Refuses ill-formed UTF-8, a name that stands twice in an object or
 * is `__proto__`, nesting beyond 32 levels, and a number that does not survive as it is written: `1e400`, 2^53 + 1.
 */
export function objectFrom(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    const { names, exact } = written(text)
    return isObject && exact && names === namesKept(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** How many member names a valid JSON text writes, that is strings that a colon follows, and whether all its numbers are exact. */
function written(text: string): { readonly names: number; readonly exact: boolean } {
  let names = 0
  let exact = true
  for (const [token, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*(:)?|[-0-9][-+.0-9eE]*/gs)) {
    if (colon !== undefined) names += 1
    if (!token.startsWith('"')) exact &&= isExact(token)
  }
  return { names, exact }
}

/** Fifteen significant digits always survive (IEEE 754, DBL_DIG); what is longer or has an exponent must be as we would write it. */
function isExact(token: string): boolean {
  const number = Number(token)
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) return false
  return (token.length < 16 && !/e/i.test(token)) || String(number) === token
}

/** Deepest nesting that is looked into. */
const depthMax = 32

/** How many member names the parser kept: of a repeated name only the last. Infinite where one is no plain name, or too deep. */
function namesKept(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > depthMax || Object.hasOwn(value, '__proto__')) return Infinity
  const below = Object.values(value).reduce<number>((sum, item) => sum + namesKept(item, depth + 1), 0)
  return Array.isArray(value) ? below : below + Object.keys(value).length
}

function form(check: string, message: string): Why {
  return { stage: 'form', check, message }
}
