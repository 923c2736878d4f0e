import { createHash } from 'node:crypto'
import type { Clock } from '../ports/clock.ts'
import type { IssuerKey, IssuerKeys } from '../ports/issuer-keys.ts'
import { issuerNamed, readClaims, type Claims, type Expected } from './claims.ts'
import { isWhy, readCompact, type Compact, type Why } from './compact.ts'
import type { Binding } from './principal.ts'
import { checkSignature } from './signature.ts'
import { steadyTime } from './steady.ts'

/** An issuer whose tokens count, with its keys and with them its algorithms. */
export interface TrustedIssuer {
  /** Compared exactly with `iss`. */
  readonly issuer: string
  readonly keys: IssuerKeys
  /** Longest life of its tokens, seconds; 600 unless given. */
  readonly maxTtlSeconds?: number
  /** Its tokens may come without `nbf`. */
  readonly nbfOptional?: boolean
  /** The gateway's own development issuer. */
  readonly selfIssued?: boolean
}

/** A token whose signature and claims were found good, and the key that made it. */
export interface ProvenToken {
  readonly claims: Claims
  readonly key: IssuerKey
}

export type Verification =
  { readonly ok: true; readonly token: ProvenToken } | { readonly ok: false; readonly why: Why }

/** Proves access tokens. */
export interface TokenVerifier {
  readonly verify: (token: string, binding?: Binding) => Promise<Verification>
  /** Judges what may have changed since a token was proven: its time, its sender, whether its key is still in force. */
  readonly again: (token: ProvenToken, binding?: Binding) => Promise<Why | undefined>
}

export interface VerifierOptions {
  readonly issuers: readonly TrustedIssuer[]
  /** Our own name, compared exactly with `aud`. */
  readonly audience: string
  /** Where several verifiers follow one another, one that none of them lets go back. */
  readonly clock: Clock
  /** Most verified tokens that are remembered. */
  readonly cacheMax: number
  /** Most seconds an issuer's clock may be ahead of ours; 60 unless given. Forgives a token from the near future, never an expired one. */
  readonly skewSec?: number
}

/** Lifetime of a token where configuration says nothing, seconds. */
export const defaultTtlSecMax = 600

/**
 * A verifier of access tokens (RFC 9068) from fixed issuers. A good signature is remembered by the SHA-256 of the token
 * text and the sender it was shown by, never for another; time, sender, and whether its key is still in force are judged
 * again on every call. Refuses everything it does not know.
 */
export function verifier(options: VerifierOptions): TokenVerifier {
  const seen = new Map<string, ProvenToken>()
  const time = steadyTime(options.clock)
  const skewMs = Math.min(options.skewSec ?? 60, 60) * 1000

  async function again(token: ProvenToken, binding: Binding = {}): Promise<Why | undefined> {
    const { claims } = token
    if (!(await isInForce(token, options))) return withdrawn
    return senderWrong(claims, binding) ?? untimely(claims, time.latestMs(), skewMs)
  }

  return {
    again,
    async verify(text, binding = {}) {
      const name = nameOf(text, binding)
      const known = seen.get(name)
      const token = known && (await isInForce(known, options)) ? known : await prove(text, options)
      if (isWhy(token)) return { ok: false, why: token }
      const why = senderWrong(token.claims, binding) ?? untimely(token.claims, time.latestMs(), skewMs)
      remember(seen, name, why ? undefined : token, options.cacheMax)
      return why ? { ok: false, why } : { ok: true, token }
    },
  }
}

/** One name for a token in one sender's hands. */
function nameOf(token: string, { certThumb = '', keyThumb = '' }: Binding): string {
  return `${createHash('sha256').update(token).digest('base64')} ${certThumb} ${keyThumb}`
}

async function prove(token: string, { issuers, audience }: VerifierOptions): Promise<ProvenToken | Why> {
  const compact = readCompact(token)
  if (isWhy(compact)) return compact
  const named = issuerNamed(compact)
  const trusted = issuers.find(({ issuer }) => issuer === named)
  if (!trusted) return { stage: 'claims', check: 'iss', message: untrusted }
  const key = await checkSignature(token, compact, await trusted.keys.keys(compact.kid))
  if (isWhy(key)) return key
  const claims = readClaims(compact, expectedOf(trusted, audience))
  return isWhy(claims) ? claims : { claims, key }
}

const untrusted =
  'The token is from no issuer that is trusted here: `iss` and `issuer` must be equal, letter for letter.'

/** A key that its issuer withdrew takes its tokens with it, and so does an issuer that is trusted no more. */
async function isInForce({ claims, key }: ProvenToken, { issuers }: VerifierOptions): Promise<boolean> {
  const trusted = issuers.find(({ issuer }) => issuer === claims.issuer)
  const now = (await trusted?.keys.keys(key.kid)) ?? []
  return now.includes(key) || now.some((other) => other.alg === key.alg && other.key.equals(key.key))
}

const withdrawn: Why = { stage: 'signature', check: 'kid', message: 'The key that signed the token is not in force.' }

function expectedOf({ issuer, maxTtlSeconds, selfIssued, nbfOptional }: TrustedIssuer, audience: string): Expected {
  return {
    issuer,
    audience,
    ttlSecMax: maxTtlSeconds ?? defaultTtlSecMax,
    selfIssued: selfIssued ?? false,
    nbfOptional: nbfOptional ?? false,
  }
}

/**
 * Whether a token's form and signature are good under the given keys, whatever it claims: the stages that no claim can
 * help through. For test vectors, which carry no claims.
 */
export async function signatureStage(token: string, keys: IssuerKeys): Promise<Compact | Why> {
  const compact = readCompact(token)
  if (isWhy(compact)) return compact
  const key = await checkSignature(token, compact, await keys.keys(compact.kid))
  return isWhy(key) ? key : compact
}

/** A bound token in other hands is a stolen one (RFC 8705 §3, RFC 9449 §6). */
function senderWrong({ bound }: Claims, binding: Binding): Why | undefined {
  if (!bound) return undefined
  const certOk = bound.certThumb === undefined || bound.certThumb === binding.certThumb
  const keyOk = bound.keyThumb === undefined || bound.keyThumb === binding.keyThumb
  if (certOk && keyOk) return undefined
  return { stage: 'claims', check: 'cnf', message: 'The token is bound to another sender.' }
}

function untimely({ expMs, notBeforeMs }: Claims, nowMs: number, skewMs: number): Why | undefined {
  if (nowMs >= expMs) return { stage: 'claims', check: 'exp', message: 'The token has expired.' }
  if (notBeforeMs > nowMs + skewMs) return { stage: 'claims', check: 'nbf', message: 'The token is not valid yet.' }
  return undefined
}

/** Keeps the tokens that were used last. Forgetting one costs a signature check, nothing else. */
function remember(seen: Map<string, ProvenToken>, name: string, token: ProvenToken | undefined, max: number): void {
  seen.delete(name)
  if (!token || max === 0) return
  seen.set(name, token)
  if (seen.size > max) seen.delete(seen.keys().next().value as string)
}
