import { z } from 'zod'
import { objectFrom, type Compact, type Why } from './compact.ts'

/** What a verified token says. Times are milliseconds since the epoch. */
export interface Claims {
  readonly issuer: string
  readonly subject: string
  readonly tenant: string
  readonly jti: string
  /** Scopes as issued, without repetition, in order. */
  readonly scopes: readonly string[]
  readonly notBeforeMs: number
  readonly expMs: number
  /** From issue to expiry. */
  readonly ttlSec: number
  readonly region?: string
  readonly sid?: string
  /** Who acts for the subject (RFC 8693 §4.1). */
  readonly actor?: string
  /** The sender the token is bound to (RFC 7800): certificate (RFC 8705) or DPoP key (RFC 9449). */
  readonly bound?: { readonly certThumb?: string; readonly keyThumb?: string }
  /** The gateway's own development issuer made it. */
  readonly selfIssued: boolean
}

/** What an issuer's tokens must say. */
export interface Expected {
  readonly issuer: string
  readonly audience: string
  readonly ttlSecMax: number
  readonly selfIssued: boolean
  /** Its tokens may come without `nbf`: then they begin when they were issued. */
  readonly nbfOptional?: boolean
}

const second = z.int().min(0)
/** Visible ASCII without space: no look-alikes, no control characters, nothing to trim. */
const plain = (max: number) => z.string().regex(new RegExp(`^[!-~]{1,${max}}$`))
const thumb = z.string().regex(/^[A-Za-z0-9_-]{43}$/)

const Payload = z.looseObject({
  iss: z.string(),
  aud: z.string(),
  sub: plain(256),
  exp: second,
  nbf: second.optional(),
  iat: second,
  jti: plain(256),
  tenant: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  scope: z.string().max(8192).optional(),
  region: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]{0,31}$/)
    .optional(),
  sid: plain(256).optional(),
  act: z.looseObject({ sub: plain(256) }).optional(),
  cnf: z.looseObject({ 'x5t#S256': thumb.optional(), jkt: thumb.optional() }).optional(),
})
type Payload = z.infer<typeof Payload>

/**
 * Reads the claims of a token whose signature is good. Refuses a token of another type, issuer or audience, one that
 * lives too long, one with wildcard or malformed scopes, and one bound in a way we cannot check. Says nothing of the time.
 */
export function readClaims(compact: Compact, expected: Expected): Claims | Why {
  if (compact.typ !== 'at+jwt' && compact.typ !== 'application/at+jwt') {
    return refused('typ', 'The token is no access token: its type must be at+jwt (RFC 9068 §2.1).')
  }
  if (compact.cty !== undefined) return refused('cty', 'The token holds another token.')
  const parsed = Payload.safeParse(objectFrom(compact.payload))
  if (!parsed.success) return misshapen(parsed.error)
  const wrong = mismatch(parsed.data, expected)
  const scopes = scopesOf(parsed.data.scope)
  return wrong ?? ('stage' in scopes ? scopes : claimsOf(parsed.data, scopes, expected.selfIssued))
}

/** The unproven `iss` of a token, only to find the keys that can prove it. */
export function issuerNamed({ payload }: Compact): string | undefined {
  const iss = objectFrom(payload)?.['iss']
  return typeof iss === 'string' ? iss : undefined
}

function mismatch(payload: Payload, { issuer, audience, ttlSecMax, nbfOptional }: Expected): Why | undefined {
  const ttlSec = payload.exp - payload.iat
  if (payload.nbf === undefined && !nbfOptional)
    return refused('nbf', 'The claim "nbf" is missing; `nbf: optional` takes the tokens of an issuer that writes none.')
  if (payload.iss !== issuer) return refused('iss', 'The token is from another issuer.')
  if (payload.aud !== audience) return refused('aud', 'The token is for another audience: it must be `auth.audience`.')
  if (ttlSec <= 0 || beginOf(payload) >= payload.exp) return refused('exp', 'The token expires before it begins.')
  if (ttlSec > ttlSecMax) return refused('exp', `The token lives ${ttlSec} s; at most ${ttlSecMax} s are accepted.`)
  const { cnf } = payload
  if (cnf && cnf['x5t#S256'] === undefined && cnf.jkt === undefined) {
    return refused('cnf', 'The token is bound in a way that cannot be checked here.')
  }
  return undefined
}

/** Never before it was issued. */
const beginOf = ({ nbf, iat }: Payload): number => Math.max(nbf ?? iat, iat)

/** Scopes compare as exact strings (RFC 6749 §3.3), parted by one U+0020. A wildcard would mean what nobody reviewed. */
function scopesOf(scope: string | undefined): readonly string[] | Why {
  if (scope === undefined || scope === '') return []
  const scopes = scope.split(' ')
  if (scopes.length > 256) return refused('scope', 'The token carries more than 256 scopes.')
  if (!scopes.every(isScope)) return refused('scope', 'A scope in the token is empty, malformed or a wildcard.')
  return [...new Set(scopes)]
}

/** One purpose, spelled out: visible ASCII, without quotes, backslash (RFC 6749 §3.3) or asterisk. */
export function isScope(text: string): boolean {
  return text.length <= 256 && /^[!#-)+-[\]-~]+$/.test(text)
}

function claimsOf(payload: Payload, scopes: readonly string[], selfIssued: boolean): Claims {
  const { region, sid, act, cnf } = payload
  return {
    issuer: payload.iss,
    subject: payload.sub,
    tenant: payload.tenant,
    jti: payload.jti,
    scopes,
    notBeforeMs: beginOf(payload) * 1000,
    expMs: payload.exp * 1000,
    ttlSec: payload.exp - payload.iat,
    selfIssued,
    ...(region !== undefined && { region }),
    ...(sid !== undefined && { sid }),
    ...(act && { actor: act.sub }),
    ...(cnf && { bound: boundTo(cnf) }),
  }
}

function boundTo(cnf: NonNullable<Payload['cnf']>): NonNullable<Claims['bound']> {
  return {
    ...(cnf['x5t#S256'] !== undefined && { certThumb: cnf['x5t#S256'] }),
    ...(cnf.jkt !== undefined && { keyThumb: cnf.jkt }),
  }
}

/** Names the claim, never its value. */
function misshapen({ issues }: z.ZodError): Why {
  const name = String(issues[0]?.path[0] ?? 'payload')
  const must = name === 'aud' ? ': it must be one string' : ''
  return refused(name, `The claim "${name}" is missing or malformed${must}.`)
}

function refused(check: string, message: string): Why {
  return { stage: 'claims', check, message }
}
