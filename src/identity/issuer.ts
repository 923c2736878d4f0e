import { createHash, createPublicKey, randomUUID, sign, type KeyObject } from 'node:crypto'
import type { Clock } from '../ports/clock.ts'
import { isScope } from './claims.ts'
import { keySet } from './keyset.ts'
import { defaultTtlSecMax, type TrustedIssuer } from './token.ts'

/** Name of the issuer that development servers bring along. */
export const developmentIssuerName = 'urn:sluicegate:development'

/** Audience of the gateway where configuration names none. */
export const defaultAudience = 'urn:sluicegate:gateway'

/** What a development token is to say. */
export interface TokenRequest {
  readonly sub: string
  readonly tenant: string
  readonly scopes: readonly string[]
  readonly ttlSec: number
  readonly region?: string
  readonly sid?: string
}

export interface DevelopmentIssuer {
  /** A signed token. Throws `IssueError` for what the gateway would not accept. */
  issue(request: TokenRequest): string
  /** What a verifier needs to trust this issuer. */
  readonly trusted: TrustedIssuer
}

export interface DevelopmentIssuerParts {
  /** Ed25519 private key. */
  readonly key: KeyObject
  readonly clock: Clock
  /** There is no such issuer in production. */
  readonly mode: 'development' | 'production'
  readonly issuer?: string
  readonly audience?: string
  /** Longest life of a token, seconds; 600 unless given. */
  readonly maxTtlSeconds?: number
}

/** A token was asked for that must not exist. The message says what to ask for instead. */
export class IssueError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'IssueError'
  }
}

/** Issues access tokens (RFC 9068) for trying things out. Throws `IssueError` in production: there, a real issuer vouches for people. */
export function developmentIssuer(parts: DevelopmentIssuerParts): DevelopmentIssuer {
  if (parts.mode === 'production') {
    throw new IssueError(
      'Development tokens do not exist in production. Get a token from the issuer that auth.issuers names.',
    )
  }
  const { key, clock, issuer = developmentIssuerName, audience = defaultAudience } = parts
  const maxTtlSeconds = parts.maxTtlSeconds ?? defaultTtlSecMax
  const publicKey = createPublicKey(key)
  const kid = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: 'EdDSA', use: 'sig' }

  return {
    trusted: { issuer, keys: keySet({ keys: [jwk] }, ['EdDSA']), maxTtlSeconds, selfIssued: true },
    issue(request) {
      check(request, maxTtlSeconds)
      const header = part({ alg: 'EdDSA', typ: 'at+jwt', kid })
      const signed = `${header}.${part({ iss: issuer, aud: audience, ...payloadOf(request, clock.nowMs()) })}`
      return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`
    },
  }
}

function payloadOf({ scopes, ttlSec, ...said }: TokenRequest, nowMs: number) {
  const iat = Math.floor(nowMs / 1000)
  return { ...said, scope: scopes.join(' '), iat, nbf: iat, exp: iat + ttlSec, jti: randomUUID() }
}

function check({ sub, tenant, scopes, ttlSec, region, sid }: TokenRequest, ttlSecMax: number): void {
  for (const scope of scopes) {
    if (scope.includes('*'))
      throw new IssueError(`The grant "${scope}" is a wildcard. Name each scope, e.g. flags.write:staging.`)
    if (!isScope(scope))
      throw new IssueError(`The grant ${JSON.stringify(scope)} is not a scope: visible ASCII without spaces or quotes.`)
  }
  if (!Number.isInteger(ttlSec) || ttlSec < 1 || ttlSec > ttlSecMax) {
    throw new IssueError(`A token lives 1 to ${ttlSecMax} seconds, so the TTL cannot be ${ttlSec}.`)
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(tenant))
    throw new IssueError('A tenant is up to 64 letters, digits, ".", "_" and "-".')
  for (const [name, text] of Object.entries({ subject: sub, region, sid })) {
    if (text !== undefined && !/^[!-~]{1,256}$/.test(text))
      throw new IssueError(`The ${name} must be visible ASCII without spaces.`)
  }
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
