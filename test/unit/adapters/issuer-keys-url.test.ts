import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { issuerKeysUrl, type IssuerKeysUrlOptions } from '../../../src/adapters/issuer-keys-url.ts'
import { verifier } from '../../../src/identity/token.ts'
import { authority } from '../../support/certificates.ts'
import { testClock } from '../../support/clock.ts'
import { giving, jwksOf, keyServer, type KeyServer } from '../../support/key-server.ts'
import { goodClaims, goodHeader, mint, signed, testAudience, testIssuer, type Mint } from '../../support/tokens.ts'
import { until } from '../../support/until.ts'

const minute = 60_000

function bench(server: Pick<KeyServer, 'url'>, more: Partial<IssuerKeysUrlOptions> = {}) {
  const clock = testClock()
  const faults: string[] = []
  const fault = (error: unknown) => void faults.push(String(error))
  const keys = issuerKeysUrl({ url: server.url, algorithms: ['ES256'], clock, fault, ...more })
  const { verify } = verifier({ issuers: [{ issuer: testIssuer, keys }], audience: testAudience, clock, cacheMax: 10 })
  const token = (by: Mint, header: object = {}) => signed(by, { ...goodHeader(by), ...header }, goodClaims(clock))
  const accepts = async (by: Mint) => (await verify(token(by))).ok
  return { clock, faults, keys, verify, token, accepts }
}

describe('issuer keys at an address', () => {
  it('are fetched once, and tokens signed with them count', async () => {
    const own = mint('ES256', 'one')
    await using server = await keyServer(giving(jwksOf(own)))
    const { accepts, keys } = bench(server)
    expect([await accepts(own), await accepts(own), await accepts(mint('ES256', 'one'))]).toEqual([true, true, false])
    expect(server.seen).toHaveLength(1)
    expect(server.seen[0]?.path).toBe('/realms/acme/certs')
    expect(server.seen[0]?.headers['authorization']).toBeUndefined()
    expect(keys.trouble()).toBeUndefined()
  })

  it('are rotated by the first token that names a new one, and withdrawn ones go', async () => {
    const [old, next] = [mint('ES256', 'old'), mint('ES256', 'next')]
    await using server = await keyServer(giving(jwksOf(old)))
    const { clock, accepts } = bench(server)
    expect([await accepts(old), await accepts(next)]).toEqual([true, false])
    server.answer = giving(jwksOf(next))
    clock.advance(30_000)
    expect([await accepts(next), await accepts(old)]).toEqual([true, false])
    expect(server.seen).toHaveLength(2)
  })

  it('cause one fetch in 30 s, however many tokens name keys that nobody has', async () => {
    const own = mint('ES256', 'one')
    await using server = await keyServer(giving(jwksOf(own)))
    const { clock, accepts, verify, token } = bench(server)
    await accepts(own)
    clock.advance(30_000)
    for (let n = 0; n < 100; n++) {
      const all = Array.from({ length: 100 }, (_, i) => verify(token(own, { kid: `unknown-${n}-${i}` })))
      for (const { ok } of await Promise.all(all)) expect(ok).toBe(false)
    }
    expect(server.seen).toHaveLength(2)
    clock.advance(29_999)
    await verify(token(own, { kid: 'unknown' }))
    expect(server.seen).toHaveLength(2)
    clock.advance(1)
    await verify(token(own, { kid: 'unknown' }))
    expect(server.seen).toHaveLength(3)
  })

  it('are fetched from nowhere a token names', async () => {
    const own = mint('ES256', 'one')
    await using server = await keyServer(giving(jwksOf(own)))
    await using thief = await keyServer(giving(jwksOf(own)))
    const { verify, token } = bench(server)
    for (const name of ['jku', 'x5u', 'iss', 'url'])
      await verify(token(mint('ES256', 'two'), { [name]: thief.url, jwk: {}, x5c: [] }))
    expect(thief.seen).toHaveLength(0)
    expect(server.seen).toHaveLength(1)
  })

  it('are looked at again in the background when they are no longer fresh, as the answer says within bounds', async () => {
    const own = mint('ES256', 'one')
    for (const [header, freshMs] of [
      [{}, 5 * minute],
      [{ 'cache-control': 'public, max-age=120' }, 2 * minute],
      [{ 'cache-control': 'max-age=31536000' }, 10 * minute],
      [{ 'cache-control': 'max-age=1' }, minute],
      [{ 'cache-control': 'no-store, max-age=600' }, minute],
      [{ 'cache-control': 'max-age=99999999999999999999' }, 5 * minute],
    ] as const) {
      await using server = await keyServer(giving(jwksOf(own), header))
      const { clock, accepts } = bench(server)
      await accepts(own)
      clock.advance(freshMs - 1)
      expect(await accepts(own)).toBe(true)
      expect(server.seen).toHaveLength(1)
      clock.advance(1)
      expect(await accepts(own)).toBe(true)
      await until(() => server.seen.length === 2, 'the second look')
    }
  })

  it('stay the last good ones for an hour while fetching fails, which is told once, and are none after it', async () => {
    const own = mint('ES256', 'one')
    await using server = await keyServer(giving(jwksOf(own)))
    const { clock, accepts, faults, keys } = bench(server)
    await accepts(own)
    server.answer = (_request, response) => void response.writeHead(500).end()
    for (let n = 0; n < 11; n++) {
      clock.advance(5 * minute)
      expect(await accepts(own)).toBe(true)
      await until(() => server.seen.length === n + 2, 'the next look')
      // Waits for the fetch that is under way; another may not begin so soon.
      await keys.keys('unknown')
    }
    expect(keys.trouble()?.why).toMatch(/it answered 500\); the last good ones are in use/)
    clock.advance(5 * minute)
    expect(await accepts(own)).toBe(false)
    expect(keys.trouble()?.why).toMatch(/its tokens are refused/)
    expect(faults).toHaveLength(1)
    server.answer = giving(jwksOf(own))
    clock.advance(30_000)
    expect(await accepts(own)).toBe(true)
    expect(keys.trouble()).toBeUndefined()
  })

  it('do not keep the start waiting when the issuer is down, and come once it is back', async () => {
    const own = mint('ES256', 'one')
    const gone = await keyServer(giving({}))
    const { url } = gone
    await gone[Symbol.asyncDispose]()
    const { accepts, keys, clock } = bench({ url })
    expect(await accepts(own)).toBe(false)
    expect(keys.trouble()?.why).toMatch(/cannot be fetched \(ECONNREFUSED\); its tokens are refused/)
    clock.advance(1_000)
    expect(await accepts(own)).toBe(false)
  })

  it('are none when the set is empty: that withdraws them all', async () => {
    const own = mint('ES256', 'one')
    await using server = await keyServer(giving(jwksOf(own)))
    const { clock, accepts } = bench(server)
    await accepts(own)
    server.answer = giving({ keys: [] })
    clock.advance(5 * minute)
    await until(async () => !(await accepts(own)), 'the keys to go')
  })

  const own = mint('ES256', 'one')
  const set = JSON.stringify(jwksOf(own))
  const refusals: readonly (readonly [string, KeyServer['answer'], RegExp])[] = [
    ['a redirect, even to a good one', (_q, r) => void r.writeHead(302, { location: '/elsewhere' }).end(), /302/],
    ['another status', (_q, r) => void r.writeHead(206).end(set), /206/],
    ['more than 256 KiB', giving(`${set.slice(0, -1)},"x":"${'x'.repeat(262_144)}"}`), /larger than 256 KiB/],
    [
      'more than 256 KiB without a length',
      (_q, r) => {
        r.writeHead(200)
        const more = () => void (r.destroyed || (r.write('x'.repeat(65_536)), setImmediate(more)))
        more()
      },
      /larger than 256 KiB/,
    ],
    [
      'a compressed answer',
      (_q, r) => void r.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(set)),
      /compressed/,
    ],
    ['no JSON', giving('<html>'), /not valid JSON/],
    ['one name twice', giving(`{"keys":[],${set.slice(1)}`), /keys/i],
    ['ill-formed UTF-8', (_q, r) => void r.writeHead(200).end(Buffer.from([0x7b, 0xff, 0x7d])), /UTF-8/],
    ['no set', giving('null'), /key set/],
    ['the discovery document', giving({ issuer: testIssuer, jwks_uri: 'https://x/jwks' }), /under "jwks_uri"/],
    ['a secret', giving({ keys: [{ ...jwksOf(own).keys[0], d: 'AAAA' }] }), /secret/],
    ['a repeated kid', giving(jwksOf(own, mint('ES256', 'one'))), /two keys/],
    ['a server that never answers', () => undefined, /in time/],
    [
      'a server that never ends',
      (_q, r) => {
        r.writeHead(200)
        r.write(set)
      },
      /in time/,
    ],
    ['a server that hangs up', (q) => void q.socket.destroy(), /ECONNRESET|UND_ERR_SOCKET/],
  ]
  it.each(refusals)('are not taken from %s', async (_what, answer, why) => {
    await using server = await keyServer(answer)
    const { accepts, keys, faults } = bench(server, why.test('in time') ? { timeoutMs: 300 } : {})
    expect(await accepts(own)).toBe(false)
    expect(keys.trouble()?.why).toMatch(why)
    expect(faults).toHaveLength(1)
    expect(server.seen.map(({ path }) => path)).toEqual(['/realms/acme/certs'])
    await keys.close()
  })

  it('over TLS need a certificate of the right authority', async () => {
    const [ca, other] = [authority('ours'), authority('other')]
    await using server = await keyServer(giving(jwksOf(own)), ca.issue('localhost'))
    expect(await bench(server, { ca: async () => ca.cert }).accepts(own)).toBe(true)
    const wrong = bench(server, { ca: async () => other.cert })
    expect(await wrong.accepts(own)).toBe(false)
    expect(wrong.keys.trouble()?.why).toMatch(/CERT|VERIFY|SIGNATURE|ISSUER/)
    const systems = bench(server)
    expect(await systems.accepts(own)).toBe(false)
    expect(systems.keys.trouble()?.why).toMatch(/`ca` beside `jwks`/)
    expect(server.seen).toHaveLength(1)
  })
})
