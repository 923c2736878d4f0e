import { createSign, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { keySet } from '../../src/identity/keyset.ts'
import { verifier, type TokenVerifier, type TrustedIssuer } from '../../src/identity/token.ts'
import type { Algorithm } from '../../src/ports/issuer-keys.ts'
import { testClock, type TestClock } from './clock.ts'

/** A key pair that signs tokens in one algorithm. */
export interface Mint {
  readonly alg: Algorithm
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export const testIssuer = 'https://issuer.example'
export const testAudience = 'https://gate.example/mcp'

const pairs = {
  EdDSA: () => generateKeyPairSync('ed25519'),
  Ed25519: () => generateKeyPairSync('ed25519'),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
}

export function mint(alg: Algorithm = 'EdDSA', kid = `key-${alg}`): Mint {
  return { alg, kid, ...pairs[alg]() }
}

/** Trusts the mint's key, and no other. */
export function trusting({ alg, kid, publicKey }: Mint, more: Partial<TrustedIssuer> = {}): TrustedIssuer {
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }
  return { issuer: testIssuer, keys: keySet({ keys: [jwk] }, [alg]), ...more }
}

/** The claims of a token nobody could object to. */
export function goodClaims(clock: TestClock): Record<string, unknown> {
  const now = Math.floor(clock.nowMs() / 1000)
  return {
    iss: testIssuer,
    aud: testAudience,
    sub: 'agent:copilot',
    tenant: 'acme',
    scope: 'orders.read flags.write:staging',
    iat: now,
    nbf: now,
    exp: now + 600,
    jti: 'b9f1c5d2',
  }
}

export const b64 = (value: string | object): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signs any two texts; `header` and `payload` may be objects or raw JSON. */
export function signed(by: Mint, header: string | object, payload: string | object): string {
  const text = `${b64(header)}.${b64(payload)}`
  return `${text}.${signature(by, text).toString('base64url')}`
}

/** The good header of a mint's tokens. */
export function goodHeader({ alg, kid }: Mint): Record<string, unknown> {
  return { alg, typ: 'at+jwt', kid }
}

function signature({ alg, privateKey }: Mint, text: string): Buffer {
  const bytes = Buffer.from(text)
  switch (alg) {
    case 'EdDSA':
    case 'Ed25519':
      return sign(null, bytes, privateKey)
    case 'ES256':
      return sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    case 'ES384':
      return sign('sha384', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    case 'PS256':
      return sign('sha256', bytes, { key: privateKey, padding: 6, saltLength: 32 })
    case 'RS256':
      return createSign('sha256').update(bytes).sign(privateKey)
  }
}

/** A verifier of one mint's tokens, its clock, and how to make good and bad tokens for it. */
export function tokenBench(alg: Algorithm = 'EdDSA', more: Partial<TrustedIssuer> = {}) {
  const clock = testClock()
  const own = mint(alg)
  const tokens: TokenVerifier = verifier({
    issuers: [trusting(own, more)],
    audience: testAudience,
    clock,
    cacheMax: 100,
  })
  return {
    clock,
    own,
    tokens,
    verify: tokens.verify,
    /** A good token, with changes. */
    token: (claims: object = {}, header: object = {}) =>
      signed(own, { ...goodHeader(own), ...header }, { ...goodClaims(clock), ...claims }),
    /** What a token fails, or 'ok'. */
    check: async (token: string): Promise<string> => {
      const verified = await tokens.verify(token)
      return verified.ok ? 'ok' : verified.why.check
    },
  }
}
