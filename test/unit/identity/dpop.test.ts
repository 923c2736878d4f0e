import { createHmac, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import type { Credential } from '../../../src/call/call.ts'
import { directory } from '../../../src/identity/directory.ts'
import { thumbOf } from '../../../src/identity/dpop.ts'
import { identifier } from '../../../src/identity/identify.ts'
import { proofPace } from '../../../src/identity/proof-pace.ts'
import { replay } from '../../../src/identity/replay.ts'
import { steadyTime } from '../../../src/identity/steady.ts'
import { algorithms } from '../../../src/ports/issuer-keys.ts'
import type { StateStore } from '../../../src/ports/state-store.ts'
import { athOf, boundTo, proofBy, publicJwk, type ProofOf } from '../../support/dpop.ts'
import { b64, mint, tokenBench, type Mint } from '../../support/tokens.ts'

const url = 'https://gate.example/mcp'

function bench(state: Pick<StateStore, 'remember'> = memoryState()) {
  const tokens = tokenBench()
  const { clock } = tokens
  const time = steadyTime(clock)
  const { identify } = identifier({
    verifier: tokens.tokens,
    replay: replay({ state: memoryState(), time, mode: 'bound' }),
    dpop: { state, time, pace: proofPace(clock) },
    directory: directory([]),
    sessionKey: Buffer.alloc(32, 1),
    homeRegion: () => 'US',
  })
  const key = mint('ES256', 'client')
  const token = tokens.token(boundTo(key))
  const proof = (of: ProofOf = {}, by: Mint = key) => proofBy(by, token, url, clock.nowMs(), of)
  const show = async (shown: string, more: Partial<Extract<Credential, { kind: 'bearer' }>> = {}) => {
    const credential = { kind: 'bearer', token, dpop: { proof: shown, method: 'POST', url }, ...more } as const
    const identity = await identify({ transport: 'http', credential })
    return identity.ok ? 'ok' : `${identity.error ?? identity.code} ${identity.why}`
  }
  return { tokens, clock, identify, key, token, proof, show }
}

describe('a token that is bound to a DPoP key', () => {
  it.each(algorithms)('is taken with a proof by that key: %s', async (alg) => {
    const { tokens, identify, clock } = bench()
    const key = mint(alg, 'client')
    const token = tokens.token(boundTo(key))
    const dpop = { proof: proofBy(key, token, url, clock.nowMs()), method: 'POST', url }
    const identity = await identify({ transport: 'http', credential: { kind: 'bearer', token, dpop } })
    expect(identity).toMatchObject({ ok: true, who: { tied: true } })
  })

  it('is refused as a bearer token, and with a proof by another key', async () => {
    const { identify, token, proof, show } = bench()
    const bearer = await identify({ transport: 'http', credential: { kind: 'bearer', token } })
    expect(bearer).toMatchObject({ ok: false, why: 'cnf: The token is bound to another sender.' })
    expect(await show(proof({}, mint('ES256', 'thief')))).toBe(
      'unauthenticated cnf: The token is bound to another sender.',
    )
  })

  it('is refused with the key of the token and the signature of another', async () => {
    const { key, proof, show } = bench()
    expect(await show(proof({ header: { jwk: publicJwk(key) } }, mint('ES256', 'thief')))).toMatch(/signature/)
  })

  it('belongs to that key: the session is the key’s', async () => {
    const { identify, token, proof } = bench()
    const credential = { kind: 'bearer', token, dpop: { proof: proof(), method: 'POST', url } } as const
    const identity = await identify({ transport: 'http', credential })
    expect(identity.ok && identity.who.session[13]).toBe('c')
  })
})

describe('a DPoP proof', () => {
  it('is good once', async () => {
    const { proof, show } = bench()
    const one = proof()
    expect(await show(one)).toBe('ok')
    expect(await show(one)).toBe('invalid_dpop_proof dpop: The proof was shown before.')
    expect(await show(proof())).toBe('ok')
    expect(await show(proof({ claims: { jti: 'one' } }))).toBe('ok')
    expect(await show(proof({ claims: { jti: 'one', iat: Math.floor(Date.now() / 1000) } }))).not.toBe('ok')
  })

  it('is good once whatever the clock does', async () => {
    const { clock, proof, show } = bench()
    const one = proof()
    expect(await show(one)).toBe('ok')
    for (const step of [300_000, -300_000, -3_600_000, 3_600_000]) {
      clock.step(step)
      expect(await show(one)).not.toBe('ok')
    }
    clock.advance(59_000)
    expect(await show(one)).toMatch(/shown before/)
  })

  it('is good for a minute, in both directions', async () => {
    const { clock, proof, show } = bench()
    const now = Math.floor(clock.nowMs() / 1000)
    expect(await show(proof({ claims: { iat: now - 60 } }))).toBe('ok')
    expect(await show(proof({ claims: { iat: now + 60 } }))).toBe('ok')
    expect(await show(proof({ claims: { iat: now - 61 } }))).toMatch(/within a minute/)
    expect(await show(proof({ claims: { iat: now + 61 } }))).toMatch(/within a minute/)
    clock.advance(60_000)
    expect(await show(proof({ claims: { iat: now - 1 } }))).toMatch(/within a minute/)
  })

  it('is for one method, one address and one token', async () => {
    const { tokens, proof, show } = bench()
    for (const htm of ['GET', 'post', '', undefined, 7])
      expect(await show(proof({ claims: { htm } }))).toMatch(/^invalid/)
    const others = [
      'http://gate.example/mcp',
      'https://gate.example:8443/mcp',
      'https://gate.example/mcp/',
      'https://gate.example/MCP',
      'https://gate.example/',
      'https://gate.example.evil/mcp',
      'https://user@gate.example/mcp',
      '//gate.example/mcp',
      '/mcp',
      'file:///mcp',
      '',
      undefined,
      ['https://gate.example/mcp'],
    ]
    for (const htu of others) expect(await show(proof({ claims: { htu } })), String(htu)).toMatch(/^invalid/)
    for (const htu of ['https://GATE.example:443/mcp', `${url}?a=b#c`])
      expect(await show(proof({ claims: { htu } }))).toBe('ok')
    for (const ath of [athOf(tokens.token({ jti: 'other' })), '', undefined, athOf('')])
      expect(await show(proof({ claims: { ath } }))).toMatch(/^invalid/)
  })

  it('says what a proof must say, and is one', async () => {
    const { key, proof, show } = bench()
    const claims = [
      { jti: undefined },
      { jti: '' },
      { jti: 7 },
      { jti: 'x'.repeat(257) },
      { iat: undefined },
      { iat: '1' },
    ]
    for (const claim of claims) expect(await show(proof({ claims: claim }))).toMatch(/^invalid/)
    for (const typ of ['JWT', 'at+jwt', 'DPOP+JWT', undefined])
      expect(await show(proof({ header: { typ } }))).toMatch(/^invalid/)
    for (const header of [{ crit: ['exp'] }, { b64: false }, { zip: 'DEF' }])
      expect(await show(proof({ header }))).toMatch(/^invalid/)
    const [head, body, signature] = proof().split('.')
    for (const text of [
      '',
      'a.b',
      `${head}.${body}.`,
      `${head}.${body}.${signature}=`,
      ` ${head}.${body}.${signature}`,
    ])
      expect(await show(text)).toMatch(/^invalid/)
    const twice = JSON.stringify({ typ: 'dpop+jwt', jwk: publicJwk(key) }).replace('{', '{"alg":"none","alg":"ES256",')
    expect(await show(`${b64(twice)}.${body}.${signature}`)).toMatch(/^invalid/)
  })

  it('brings a public key of ours to check with: no secret, no symmetric one, no costly one', async () => {
    const { key, proof, show, clock, token } = bench()
    const jwk = publicJwk(key)
    const secret = key.privateKey.export({ format: 'jwk' })
    for (const bad of [
      secret,
      { ...jwk, d: 'AA' },
      { ...jwk, p: 'AA' },
      { kty: 'oct', k: 'AA' },
      { ...jwk, crv: 'P-384' },
      {},
      [],
      'x',
      undefined,
      null,
    ])
      expect(await show(proof({ header: { jwk: bad } }))).toMatch(/^invalid/)
    for (const alg of ['none', 'HS256', 'ES384', 'ES512', 'EdDSA', undefined])
      expect(await show(proof({ header: { alg } }))).toMatch(/^invalid/)
    const payload = { jti: 'mac', htm: 'POST', htu: url, iat: Math.floor(clock.nowMs() / 1000), ath: athOf(token) }
    const text = `${b64({ typ: 'dpop+jwt', alg: 'HS256', jwk })}.${b64(payload)}`
    const mac = createHmac('sha256', JSON.stringify(jwk)).update(text).digest('base64url')
    expect(await show(`${text}.${mac}`)).toMatch(/^invalid/)
    const costly = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 268_435_459 })
    const weak = { ...key, alg: 'RS256', ...costly } as Mint
    expect(await show(proof({}, weak))).toMatch(/cannot be used/)
  })

  it('with a token that vouches for no key proves nothing', async () => {
    const { tokens, identify, key, clock } = bench()
    const token = tokens.token()
    const dpop = { proof: proofBy(key, token, url, clock.nowMs()), method: 'POST', url }
    const identity = await identify({ transport: 'http', credential: { kind: 'bearer', token, dpop } })
    expect(identity).toMatchObject({ ok: false, code: 'unauthenticated', why: 'cnf: The token is not bound to a key.' })
  })

  it('lets nobody in when the state is full or cannot be asked', async () => {
    const full = memoryState({ entriesMax: 1 })
    await full.remember('other', 'x', Number.MAX_SAFE_INTEGER, 0)
    for (const state of [full, { remember: () => Promise.reject(new Error('disk')) }]) {
      const { proof, show } = bench(state)
      expect(await show(proof())).toBe('internal dpop: The state gave no answer.')
    }
  })

  it('is not remembered before its key has signed it: nobody can use up another’s', async () => {
    const { key, proof, show } = bench()
    const good = proof({ claims: { jti: 'mine' } })
    const forged = proof({ claims: { jti: 'mine' }, header: { jwk: publicJwk(key) } }, mint('ES256', 'thief'))
    expect(await show(forged)).toMatch(/signature/)
    expect(await show(good)).toBe('ok')
  })
})

describe('the thumbprint of a key', () => {
  it('is the one of RFC 7638', () => {
    const { publicKey } = mint('EdDSA')
    const { x } = publicKey.export({ format: 'jwk' })
    expect(thumbOf(publicKey)).toBe(athOf(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`))
    const rsa = mint('RS256').publicKey
    const { e, n } = rsa.export({ format: 'jwk' })
    expect(thumbOf(rsa)).toBe(athOf(`{"e":"${e}","kty":"RSA","n":"${n}"}`))
  })
})
