import { createHmac, createPublicKey, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { keySet } from '../../src/identity/keyset.ts'
import { verifier } from '../../src/identity/token.ts'
import {
  b64,
  goodClaims,
  goodHeader,
  mint,
  signed,
  testAudience,
  testIssuer,
  tokenBench,
  trusting,
  type Mint,
} from '../support/tokens.ts'
import { testClock } from '../support/clock.ts'

const bench = tokenBench('ES256')
const { own, token, check, clock } = bench
const now = () => Math.floor(clock.nowMs() / 1000)
const swapHeader = (header: object | string) => [b64(header), ...token().split('.').slice(1)].join('.')

/** Every one of the tokens is refused; the failing check is free to differ. */
async function allRefused(tokens: readonly string[]): Promise<void> {
  for (const forged of tokens) expect(await check(forged), forged.slice(0, 120)).not.toBe('ok')
}

describe('a forged token', () => {
  it('starts from one that passes', async () => {
    expect(await check(token())).toBe('ok')
  })

  it('cannot name no algorithm', async () => {
    const [, body, signature] = token().split('.')
    const heads = ['none', 'None', 'NONE', 'nOnE', ''].map((alg) => b64({ alg, typ: 'at+jwt', kid: own.kid }))
    await allRefused(heads.flatMap((head) => [`${head}.${body}.`, `${head}.${body}`, `${head}.${body}.${signature}`]))
  })

  it('cannot be MACed with the public key', async () => {
    const jwk = own.publicKey.export({ format: 'jwk' })
    const pem = own.publicKey.export({ type: 'spki', format: 'pem' }) as string
    const secrets = [
      pem,
      pem.trimEnd(),
      own.publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(jwk),
      `${JSON.stringify(jwk)}\n`,
    ]
    const text = `${b64({ ...goodHeader(own), alg: 'HS256' })}.${b64(goodClaims(clock))}`
    await allRefused(
      secrets.map((secret) => `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`),
    )
  })

  it('cannot swap its algorithm for another of the same key', async () => {
    await allRefused([token({}, { alg: 'ES384' }), token({}, { alg: 'EdDSA' }), token({}, { alg: 'es256' })])
    const [rs, ps] = [tokenBench('RS256'), mint('PS256')]
    const asPss = signed(
      { ...ps, privateKey: rs.own.privateKey },
      { ...goodHeader(rs.own), alg: 'PS256' },
      goodClaims(rs.clock),
    )
    expect(await rs.check(asPss)).toBe('alg')
    const ed = tokenBench('EdDSA')
    expect(await ed.check(ed.token({}, { alg: 'Ed448' }))).toBe('alg')
  })

  it('cannot bring its own key', async () => {
    const thief = mint('ES256', own.kid)
    const jwk = thief.publicKey.export({ format: 'jwk' })
    const extras = [
      { jwk },
      { jku: 'https://attacker.example/keys' },
      { x5u: 'http://169.254.169.254/latest' },
      { jku: 'file:///etc/passwd' },
      { x5c: [thief.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] },
    ]
    await allRefused(extras.map((extra) => signed(thief, { ...goodHeader(own), ...extra }, goodClaims(clock))))
  })

  it('finds nothing behind a key id that is a path, a query or no text', async () => {
    const texts = [
      '../../dev/null',
      '/etc/passwd',
      '%2e%2e',
      'a\u0000b',
      'x'.repeat(65_536),
      "' OR 1=1 --",
      '$(id)',
      '__proto__',
      'constructor',
      'toString',
    ]
    const others = [{ kid: 1 }, ['key-ES256'], 5, null, true]
    await allRefused([...texts, ...others].map((kid) => token({}, { kid })))
  })

  it("asks for its issuer's keys once, whatever key it names", async () => {
    let asked = 0
    const trusted = trusting(own)
    const keys = { keys: (kid: string | undefined) => ((asked += 1), trusted.keys.keys(kid)) }
    const { verify } = verifier({
      issuers: [{ issuer: testIssuer, keys }],
      audience: testAudience,
      clock,
      cacheMax: 10,
    })
    for (let n = 0; n < 50; n++) expect((await verify(token({}, { kid: `unknown-${n}` }))).ok).toBe(false)
    expect(asked).toBe(50)
  })

  it('cannot use critical or unencoded-payload headers', async () => {
    const headers = [
      { crit: ['exp'] },
      { crit: ['x'], x: 1 },
      { crit: [] },
      { crit: 'x' },
      { crit: ['gone'] },
      { b64: false },
      { b64: false, crit: ['b64'] },
    ]
    await allRefused(headers.map((header) => token({}, header)))
  })

  it('cannot say one thing twice', async () => {
    const head = JSON.stringify(goodHeader(own)).slice(1)
    const body = JSON.stringify(goodClaims(clock)).slice(1)
    await allRefused([
      signed(own, `{"alg":"none",${head}`, goodClaims(clock)),
      signed(own, `{${head.slice(0, -1)},"alg":"ES256"}`, goodClaims(clock)),
      signed(own, `{"kid":"other",${head}`, goodClaims(clock)),
      signed(own, goodHeader(own), `{"sub":"user:root",${body}`),
      signed(own, goodHeader(own), `{${body.slice(0, -1)},"sub":"user:root"}`),
      signed(own, goodHeader(own), `{${body.slice(0, -1)},"\\u0073ub":"user:root"}`),
      signed(own, goodHeader(own), `{${body.slice(0, -1)},"act":{"sub":"a","sub":"b"}}`),
    ])
  })

  it('has one spelling', async () => {
    const [head = '', body = '', signature = ''] = token().split('.')
    const last = signature.at(-1) ?? ''
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const neighbour = alphabet[alphabet.indexOf(last) ^ 1] ?? ''
    await allRefused([
      `${head}=.${body}.${signature}`,
      `${head}.${body}.${signature}==`,
      ` ${head}.${body}.${signature}`,
      `${head}.${body}.${signature}\n`,
      `${head}.${body} .${signature}`,
      `${head}.${body}.${signature.replaceAll('-', '+').replaceAll('_', '/')}=`,
      `${head}.${body}.${signature.slice(0, -1)}${neighbour}`,
      `${head}.${body}.${signature}.`,
      `.${head}.${body}.${signature}`,
      `${head}..${body}.${signature}`,
      `${head}.${signature}`,
      `${head}.${body}.`,
      JSON.stringify({ protected: head, payload: body, signature }),
      '',
      '..',
    ])
  })

  it('cannot pass with a signature of zeros, one out of range, or one in DER', async () => {
    const text = `${b64(goodHeader(own))}.${b64(goodClaims(clock))}`
    const der = sign('sha256', Buffer.from(text), own.privateKey)
    const signatures = [
      Buffer.alloc(64),
      Buffer.alloc(64, 255),
      Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 1)]),
      der,
      Buffer.alloc(63, 1),
    ]
    await allRefused(signatures.map((signature) => `${text}.${signature.toString('base64url')}`))
  })

  it('cannot be a token of another type', async () => {
    const types = ['JWT', 'id_token', 'logout+jwt', 'dpop+jwt', 'at+JWT', 'AT+JWT', undefined, '', 7]
    await allRefused([...types.map((typ) => token({}, { typ })), token({}, { cty: 'JWT' })])
  })

  it('cannot be an encrypted token in disguise', async () => {
    const jwe = [
      b64({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2 ** 31, p2s: 'c2FsdA' }),
      'a',
      'b',
      'c',
      'd',
    ].join('.')
    await allRefused([
      jwe,
      token({}, { zip: 'DEF' }),
      token({}, { enc: 'A128GCM' }),
      swapHeader({ alg: 'dir', enc: 'A128GCM' }),
    ])
  })

  it('cannot come from another issuer, however it spells the name', async () => {
    const names = [
      `${testIssuer}/`,
      testIssuer.toUpperCase(),
      'https://issuer.examp1e',
      'https://іssuer.example',
      [testIssuer],
      undefined,
      null,
      'https://other.example',
    ]
    await allRefused(names.map((iss) => token({ iss })))
  })

  it("cannot be signed with another trusted issuer's key", async () => {
    const other: Mint = mint('ES256', 'other')
    const { verify } = verifier({
      issuers: [trusting(own), trusting(other, { issuer: 'https://other.example' })],
      audience: testAudience,
      clock,
      cacheMax: 10,
    })
    expect((await verify(signed(other, goodHeader(other), goodClaims(clock)))).ok).toBe(false)
    expect(
      (await verify(signed(other, goodHeader(other), { ...goodClaims(clock), iss: 'https://other.example' }))).ok,
    ).toBe(true)
  })

  it('cannot be meant for another audience', async () => {
    const audiences = [
      undefined,
      'https://other.example',
      testAudience.slice(0, -1),
      `${testAudience}/`,
      `${testAudience}x`,
      [testAudience],
      [testAudience, 'x'],
      [],
      [[testAudience]],
      {},
    ]
    await allRefused(audiences.map((aud) => token({ aud })))
  })

  it('cannot be expired, endless or without an end', async () => {
    const ends = [
      undefined,
      now(),
      now() - 1,
      now() - 61,
      1e20,
      -1,
      `${now() + 60}`,
      now() + 0.5,
      null,
      'NaN',
      true,
      now() + 601,
      Number.MAX_SAFE_INTEGER,
    ]
    await allRefused(ends.map((exp) => token({ exp })))
    await allRefused([
      token().replace(
        /^[^.]+\.[^.]+/,
        `${b64(goodHeader(own))}.${b64(JSON.stringify(goodClaims(clock)).replace(/"exp":\d+/, '"exp":NaN'))}`,
      ),
    ])
  })

  it('cannot begin in the future, after its end, or long ago', async () => {
    await allRefused([
      token({ nbf: now() + 61 }),
      token({ nbf: now() + 600 }),
      token({ iat: now() + 61 }),
      token({ iat: now() - 1, nbf: undefined }),
      token({ nbf: undefined }),
      token({ iat: undefined }),
      token({ iat: now() - 10_000, exp: now() + 60 }),
      token({ nbf: '0' }),
    ])
  })

  it('needs a name of its own', async () => {
    await allRefused(
      [undefined, '', 7, null, {}, ['x'], 'x'.repeat(257), 'x'.repeat(1_000_000)].map((jti) => token({ jti })),
    )
  })

  it('cannot widen its scopes by how it writes them', async () => {
    const scopes = [
      ['orders.read'],
      'orders.read  flags.write',
      ' orders.read',
      'orders.read ',
      'orders.read\u00a0admin',
      'orders.read\u2003admin',
      'admin\n',
      'a\tb',
      '*',
      'flags.*',
      'orders.read:*',
      'a"b',
      5,
      {},
    ]
    await allRefused(scopes.map((scope) => token({ scope })))
  })

  it('cannot name a tenant, subject or region that only looks like one', async () => {
    await allRefused([
      token({ tenant: undefined }),
      token({ tenant: ['acme'] }),
      token({ tenant: 'acme globex' }),
      token({ tenant: 'аcme' }),
      token({ tenant: '../globex' }),
      token({ tenant: '' }),
      token({ sub: '' }),
      token({ sub: 'agent:copilot\n' }),
      token({ sub: undefined }),
      token({ region: 'EU US' }),
      token({ act: 'user:root' }),
      token({ act: {} }),
    ])
  })

  it('cannot be bound in a way nobody checks', async () => {
    const thumb = 'A'.repeat(43)
    await allRefused(
      [{}, { kid: 'x' }, { 'x5t#S256': thumb }, { 'x5t#S256': 'short' }, { jkt: thumb }, 'x', []].map((cnf) =>
        token({ cnf }),
      ),
    )
  })

  it('fails when its issuer is removed, its key replaced, or its key is weak', async () => {
    const gone = verifier({ issuers: [], audience: testAudience, clock: testClock(), cacheMax: 10 })
    expect((await gone.verify(token())).ok).toBe(false)
    const rotated = verifier({
      issuers: [trusting(mint('ES256'))],
      audience: testAudience,
      clock,
      cacheMax: 10,
    })
    expect((await rotated.verify(token())).ok).toBe(false)
    const weak = createPublicKey({
      key: { kty: 'RSA', n: Buffer.alloc(128, 255).toString('base64url'), e: 'AQAB' },
      format: 'jwk',
    })
    expect(() => keySet({ keys: [weak.export({ format: 'jwk' })] }, ['RS256'])).toThrow(/2048 bits/)
  })

  it('fails for every single changed character', async () => {
    const good = token()
    for (let at = 0; at < good.length; at += 7) {
      const other = good[at] === 'A' ? 'B' : 'A'
      expect(await check(good.slice(0, at) + other + good.slice(at + 1))).not.toBe('ok')
    }
  })
})
