import { createHmac, createPublicKey, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { memoryState } from '../../src/adapters/state-memory.ts'
import { keySet } from '../../src/identity/keyset.ts'
import { replay } from '../../src/identity/replay.ts'
import { steadyTime } from '../../src/identity/steady.ts'
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

/** How far a token came: past `form` its keys are looked up. */
async function stage(text: string): Promise<string> {
  const verified = await bench.verify(text)
  return verified.ok ? 'ok' : verified.why.stage
}

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
    // What is no short text is not even looked up.
    for (const kid of ['x'.repeat(257), '', ...others]) expect(await stage(token({}, { kid }))).toBe('form')
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

  it('cannot say what two readers would read differently', async () => {
    const body = JSON.stringify(goodClaims(clock)).slice(1)
    const raw = (members: string) => signed(own, goodHeader(own), `{${members},${body}`)
    const timed = (name: string, value: string) =>
      signed(own, goodHeader(own), `{${body}`.replace(new RegExp(`"${name}":\\d+`), `"${name}":${value}`))
    expect(await check(raw('"other":[0.5,-1,9007199254740991,{"a":"1e400"}]'))).toBe('ok')
    expect(await check(timed('exp', String(now() + 60)))).toBe('ok')
    const numbers = ['1e400', '-1e400', `${now() + 60}.00000000000000001`, `${(now() + 60) / 100}e2`, `${now() + 60}e0`]
    await allRefused([
      ...['exp', 'nbf', 'iat'].flatMap((name) => numbers.map((value) => timed(name, value))),
      ...['exp', 'nbf', 'iat'].flatMap((name) =>
        ['""', `"${now()}"`, '[]', 'null', 'false', '-1'].map((value) => timed(name, value)),
      ),
      raw('"other":1e400'),
      raw('"other":9007199254740993'),
      raw('"other":[{"deep":0.1000000000000000055}]'),
      raw('"__proto__":{"tenant":"globex"}'),
      raw('"\\u005f_proto__":{"scope":"crm.write"}'),
      raw('"act":{"sub":"user:ana","__proto__":{}}'),
      signed(own, JSON.stringify(goodHeader(own)).replace('{', '{"__proto__":{"alg":"none"},'), goodClaims(clock)),
      signed(own, goodHeader(own), `\ufeff{${body}`),
      signed(own, goodHeader(own), `[{${body}]`),
    ])
  })

  it('cannot hold another token, or be nested beyond measure', async () => {
    const nested = token()
    const deep = `{"a":${'['.repeat(1000)}${']'.repeat(1000)},${JSON.stringify(goodClaims(clock)).slice(1)}`
    await allRefused([
      token({}, { cty: 'JWT' }),
      token({}, { cty: 'jwt' }),
      token({}, { cty: 'application/at+jwt' }),
      signed(own, goodHeader(own), nested),
      signed(own, goodHeader(own), JSON.stringify(nested)),
      `${nested}.${nested}`,
      [...nested.split('.'), ...nested.split('.').slice(1)].join('.'),
      signed(own, goodHeader(own), deep),
    ])
    const shallow = deep.replace('['.repeat(1000), '['.repeat(30)).replace(']'.repeat(1000), ']'.repeat(30))
    expect(await check(signed(own, goodHeader(own), shallow))).toBe('ok')
  })

  it('is the same token with its signature spelled another way', async () => {
    const good = token({ jti: 'malleable' })
    const [head, body, signature = ''] = good.split('.')
    const bytes = Buffer.from(signature, 'base64url')
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const other = (order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)).toString(16).padStart(64, '0')
    const mirrored = Buffer.concat([bytes.subarray(0, 32), Buffer.from(other, 'hex')]).toString('base64url')
    const copy = `${head}.${body}.${mirrored}`
    expect([copy === good, await check(copy)]).toEqual([false, 'ok'])
    const [one, two] = [await bench.verify(good), await bench.verify(copy)]
    if (!one.ok || !two.ok) throw new Error('both are good')
    const take = replay({ state: memoryState(), time: steadyTime(clock), mode: 'bound' })
    expect((await take(one.token.claims, { kind: 'session', id: 'owner' })).kind).toBe('taken')
    expect((await take(two.token.claims, { kind: 'session', id: 'thief' })).kind).toBe('replayed')
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
    const types = [
      'JWT',
      'id_token',
      'logout+jwt',
      'dpop+jwt',
      'at+JWT',
      'AT+JWT',
      'secevent+jwt',
      'application/jwt',
      ['at+jwt'],
      undefined,
      '',
      7,
    ]
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
    const parts = Array.from({ length: 5 }, (_, n) => b64(`part ${n}`))
    await allRefused([
      jwe,
      [b64({ ...goodHeader(own), enc: 'A128GCM' }), ...parts.slice(1)].join('.'),
      [b64(goodHeader(own)), ...parts.slice(1)].join('.'),
      `${token()}.${parts[3]}.${parts[4]}`,
      token({}, { zip: 'DEF' }),
      token({}, { enc: 'A128GCM' }),
      swapHeader({ alg: 'dir', enc: 'A128GCM' }),
    ])
    expect(await stage(`${token()}.${parts[3]}.${parts[4]}`)).toBe('form')
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
