import { describe, expect, it } from 'vitest'
import { keySet } from '../../../src/identity/keyset.ts'
import { verifier } from '../../../src/identity/token.ts'
import { algorithms, type IssuerKeys } from '../../../src/ports/issuer-keys.ts'
import {
  goodClaims,
  goodHeader,
  mint,
  signed,
  testAudience,
  testIssuer,
  tokenBench,
  trusting,
} from '../../support/tokens.ts'
import { testClock } from '../../support/clock.ts'

describe('the token verifier', () => {
  it.each(algorithms)('accepts a good %s token and reads its claims', async (alg) => {
    const bench = tokenBench(alg)
    const verified = await bench.verify(bench.token({ region: 'EU', sid: 's-1', act: { sub: 'agent:helper' } }))
    expect(verified).toMatchObject({
      ok: true,
      token: {
        claims: {
          issuer: testIssuer,
          subject: 'agent:copilot',
          tenant: 'acme',
          scopes: ['orders.read', 'flags.write:staging'],
          ttlSec: 600,
          region: 'EU',
          sid: 's-1',
          actor: 'agent:helper',
          selfIssued: false,
        },
      },
    })
  })

  it('ignores claims it does not know', async () => {
    const bench = tokenBench()
    expect(await bench.check(bench.token({ name: 'Copilot', roles: ['admin'] }))).toBe('ok')
  })

  it('judges the time of a remembered token again on every call', async () => {
    const bench = tokenBench()
    const token = bench.token()
    expect(await bench.check(token)).toBe('ok')
    bench.clock.advance(599_999)
    expect(await bench.check(token)).toBe('ok')
    bench.clock.advance(1)
    expect(await bench.check(token)).toBe('exp')
  })

  it('lets no expired token back in when the wall clock is set back', async () => {
    const bench = tokenBench()
    const [seen, unseen] = [bench.token(), bench.token({ jti: 'other' })]
    await bench.check(seen)
    bench.clock.advance(601_000)
    bench.clock.step(-3_600_000)
    expect(await bench.check(seen)).toBe('exp')
    expect(await bench.check(unseen)).toBe('exp')
  })

  it('judges a proven token again: its time, its sender, its key and its issuer', async () => {
    const [clock, own] = [testClock(), mint()]
    const issuers = [trusting(own)]
    const tokens = verifier({ issuers, audience: testAudience, clock, cacheMax: 10 })
    const thumb = 'A'.repeat(43)
    const verified = await tokens.verify(
      signed(own, goodHeader(own), { ...goodClaims(clock), cnf: { 'x5t#S256': thumb } }),
      { certThumb: thumb },
    )
    if (!verified.ok) throw new Error(verified.why.check)
    const again = async (binding = { certThumb: thumb }) => (await tokens.again(verified.token, binding))?.check
    expect(await again()).toBe(undefined)
    expect(await again({ certThumb: 'B'.repeat(43) })).toBe('cnf')
    issuers[0] = trusting(mint())
    expect(await again()).toBe('kid')
    issuers.pop()
    expect(await again()).toBe('kid')
    issuers.push(trusting(own))
    clock.advance(600_000)
    expect(await again()).toBe('exp')
  })

  it('forgives an issuer whose clock is up to a minute ahead, and no more', async () => {
    const bench = tokenBench()
    const now = bench.clock.nowMs() / 1000
    expect(await bench.check(bench.token({ nbf: now + 60, iat: now + 60, exp: now + 660 }))).toBe('ok')
    expect(await bench.check(bench.token({ nbf: now + 61 }))).toBe('nbf')
    expect(await bench.check(bench.token({ iat: now + 61, exp: now + 600 }))).toBe('nbf')
  })

  it('accepts a longer life only from an issuer configured for it', async () => {
    const long = { exp: testClock().nowMs() / 1000 + 1200 }
    const [usual, patient] = [tokenBench('EdDSA'), tokenBench('EdDSA', { maxTtlSeconds: 1200 })]
    expect(await usual.check(usual.token(long))).toBe('exp')
    expect(await patient.check(patient.token(long))).toBe('ok')
  })

  it('accepts a bound token from its own sender only, remembered or not', async () => {
    const bench = tokenBench()
    const thumb = 'A'.repeat(43)
    const token = bench.token({ cnf: { 'x5t#S256': thumb } })
    expect((await bench.verify(token, { certThumb: thumb })).ok).toBe(true)
    for (const binding of [undefined, {}, { certThumb: 'B'.repeat(43) }, { keyThumb: thumb }]) {
      expect(await bench.verify(token, binding)).toMatchObject({ ok: false, why: { check: 'cnf' } })
    }
  })

  it('tells operators what failed without repeating any of the token', async () => {
    const bench = tokenBench()
    const verified = await bench.verify(bench.token({ aud: 'secret-audience', sub: 'agent:copilot' }))
    expect(verified).toMatchObject({ ok: false, why: { stage: 'claims', check: 'aud' } })
    expect(JSON.stringify(verified)).not.toContain('secret')
  })

  it('tells operators what to change where an issuer and a gateway disagree', async () => {
    const bench = tokenBench()
    const why = async (token: string) => {
      const verified = await bench.verify(token)
      return verified.ok ? 'ok' : `${verified.why.check}: ${verified.why.message}`
    }
    expect(await why('opaque-token')).toMatch(/^encoding: .*no JWT/)
    expect(await why(bench.token({ iss: `${testIssuer}/` }))).toMatch(/^iss: .*letter for letter/)
    expect(await why(bench.token({ aud: [testAudience] }))).toMatch(/^aud: .*must be one string/)
    expect(await why(bench.token({ aud: 'copilot' }))).toMatch(/^aud: .*`auth\.audience`/)
    expect(await why(bench.token({ nbf: undefined }))).toMatch(/^nbf: .*`nbf: optional`/)
    expect(await why(bench.token({ jti: undefined }))).toMatch(/^jti: The claim "jti" is missing/)
  })

  it('tells keys that are not at hand from an algorithm that is not offered', async () => {
    const [clock, own] = [testClock(), mint('RS256')]
    const token = signed(own, goodHeader(own), goodClaims(clock))
    const whyWith = async (keys: IssuerKeys) => {
      const issuers = [{ issuer: testIssuer, keys }]
      const verified = await verifier({ issuers, audience: testAudience, clock, cacheMax: 1 }).verify(token)
      return verified.ok ? 'ok' : `${verified.why.check}: ${verified.why.message}`
    }
    expect(await whyWith({ keys: () => [] })).toMatch(/^kid: No key .* `sluicegate doctor`/)
    expect(await whyWith(trusting(mint('ES256')).keys)).toMatch(/^alg: .*`algorithms`/)
  })

  it('keeps at most the given number of verified tokens, the last used ones', async () => {
    const [clock, own] = [testClock(), mint()]
    const { verify } = verifier({
      issuers: [trusting(own)],
      audience: testAudience,
      clock,
      cacheMax: 2,
    })
    const read = async (jti: string, token = signed(own, goodHeader(own), { ...goodClaims(clock), jti })) => {
      const verified = await verify(token)
      return verified.ok ? verified.token.claims : undefined
    }
    // What is remembered is the same object again; what was proven anew is another.
    const [a, b] = [await read('a'), await read('b')]
    expect(await read('a')).toBe(a)
    await read('c')
    expect(await read('a')).toBe(a)
    expect(await read('b')).not.toBe(b)
  })
})

describe('a key set', () => {
  const jwkOf = (own = mint('ES256')) => ({ ...own.publicKey.export({ format: 'jwk' }), kid: own.kid, alg: own.alg })

  it('passes over encryption keys and kinds that are not offered', () => {
    const keys = keySet(
      { keys: [jwkOf(), { ...jwkOf(mint('RS256', 'enc')), use: 'enc' }, { kty: 'EC', crv: 'secp256k1' }] },
      ['ES256'],
    )
    expect(keys.keys(undefined)).toHaveLength(1)
  })

  it.each([
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'x' }, /secret/],
    ['a private key', { ...mint('ES256', 'x').privateKey.export({ format: 'jwk' }), kid: 'x' }, /secret/],
    ['a repeated kid', { ...mint('ES256').publicKey.export({ format: 'jwk' }), kid: 'key-ES256' }, /two keys/],
    [
      'a point off the curve',
      { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43), kid: 'x' },
      /cannot be read/,
    ],
  ])('is refused for %s', (_what, jwk, message) => {
    expect(() => keySet({ keys: [jwkOf(), jwk] }, ['ES256'])).toThrow(message)
  })

  it('is refused when it is empty, malformed or of other algorithms', () => {
    for (const jwks of [{ keys: [] }, [], 'x', undefined, { keys: [{}] }])
      expect(() => keySet(jwks, ['ES256'])).toThrow(/key set/)
    expect(() => keySet({ keys: [jwkOf()] }, ['EdDSA'])).toThrow(/no key for EdDSA/)
  })
})
