import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { boundTo, proofBy, type ProofOf } from '../support/dpop.ts'
import { openTestGateway, type OpenOptions, type TestGateway } from '../support/gateway.ts'
import { jwksOf } from '../support/key-server.ts'
import { mint, signed } from '../support/tokens.ts'
import { initialize, legacyCall, modernCall, send, type Answer, type Sent } from '../support/wire.ts'

/* DPoP over HTTP, with tokens of a configured issuer: who holds the key may call, and nobody else, whatever was copied. */

const issuer = 'https://id.example.com'
const audience = 'urn:test:gateway'
const own = mint('ES256', 'issuer')
const key = mint('EdDSA', 'client')
const folder = mkdtempSync(join(tmpdir(), 'sluicegate-dpop-'))
const jwks = join(folder, 'jwks.json')
writeFileSync(jwks, JSON.stringify(jwksOf(own)))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const auth = { issuers: [{ issuer, jwks }], audience, tenants: { acme: { home: 'US' } }, replay: 'bound' }
const open = (more: OpenOptions = {}) => openTestGateway({ over: { auth }, ...more })

function token(claims: object = boundTo(key)): string {
  const now = Math.floor(Date.now() / 1000)
  const who = {
    iss: issuer,
    aud: audience,
    sub: 'agent:copilot',
    tenant: 'acme',
    scope: 'orders.read flags.write:staging',
  }
  const times = { iat: now, nbf: now, exp: now + 300, jti: randomUUID() }
  return signed(own, { alg: 'ES256', typ: 'at+jwt', kid: 'issuer' }, { ...who, ...times, ...claims })
}

const flag = () => ({ name: 'checkout', env: 'staging', rolloutPct: 5, idemKey: randomUUID() })
const week = { from: '2025-08-01', to: '2025-08-01' }

interface Shown extends ProofOf {
  readonly by?: typeof key
  readonly url?: string
  readonly headers?: Sent['headers']
}

/** One stateless call as a client with this token and key would make it. */
function call(gateway: TestGateway, shown: string, tool = 'orders.export', args: object = week, of: Shown = {}) {
  const { body, headers } = modernCall(tool, args)
  const dpop = proofBy(of.by ?? key, shown, of.url ?? gateway.mcp, Date.now(), of)
  const sent = { ...headers, authorization: `DPoP ${shown}`, dpop, ...of.headers }
  return send(gateway.mcp, { headers: sent, body: JSON.stringify(body) })
}

const challengeOf = ({ headers }: Answer) => String(headers['www-authenticate'])

describe('a token bound to a DPoP key, over HTTP', () => {
  it('may change things without any session, and serves many requests', async () => {
    await using gateway = await open()
    const shown = token()
    const changed = await call(gateway, shown, 'flag.set', flag())
    expect([changed.status, changed.message.result?.isError]).toEqual([200, undefined])
    expect((await call(gateway, shown)).status).toBe(200)
    expect((await call(gateway, shown)).status).toBe(200)
  })

  it('is of no use to who copied it: as a bearer, with an old proof, another key, or another’s session', async () => {
    await using gateway = await open()
    const shown = token()
    const proof = proofBy(key, shown, gateway.mcp, Date.now())
    expect((await call(gateway, shown, 'orders.export', week, { headers: { dpop: proof } })).status).toBe(200)
    const attempts = [
      await call(gateway, shown, 'orders.export', week, { headers: { dpop: proof } }),
      await call(gateway, shown, 'orders.export', week, { by: mint('EdDSA', 'thief') }),
      await call(gateway, shown, 'orders.export', week, { url: 'http://127.0.0.1:1/mcp' }),
      await call(gateway, shown, 'orders.export', week, { claims: { htm: 'GET' } }),
      await call(gateway, shown, 'orders.export', week, { claims: { ath: 'x' } }),
      await call(gateway, shown, 'orders.export', week, { headers: { authorization: `Bearer ${shown}` } }),
      await send(gateway.mcp, { headers: { authorization: `Bearer ${shown}` }, body: JSON.stringify(initialize) }),
      await send(gateway.mcp, { headers: { authorization: `DPoP ${shown}` }, body: JSON.stringify(initialize) }),
      await call(gateway, shown, 'orders.export', week, {
        headers: { dpop: [1, 2].map(() => proofBy(key, shown, gateway.mcp, Date.now())) },
      }),
    ]
    expect(attempts.map(({ status }) => status)).toEqual(attempts.map(() => 401))
    expect(gateway.requests().length).toBe(1)
    const refused = (await gateway.records()).filter(({ decision }) => decision?.reasonCode === 'unauthenticated')
    expect(refused).toHaveLength(attempts.length)
  })

  it('is not taken with a proof that was made for another server on this machine', async () => {
    await using gateway = await open()
    for (const host of ['127.0.0.1:1', 'localhost:8080', '127.0.0.1']) {
      const relayed = await call(gateway, token(), 'orders.export', week, {
        url: `http://${host}/mcp`,
        headers: { host },
      })
      expect([relayed.status, challengeOf(relayed)]).toEqual([401, expect.stringContaining('invalid_dpop_proof')])
    }
    const { port } = new URL(gateway.mcp)
    const named = { url: `http://localhost:${port}/mcp`, headers: { host: `localhost:${port}` } }
    expect((await call(gateway, token(), 'orders.export', week, named)).status).toBe(200)
  })

  it('is told how to prove possession', async () => {
    await using gateway = await open()
    const shown = token()
    const noProof = await send(gateway.mcp, { headers: { authorization: `DPoP ${shown}` }, body: '{}' })
    expect(challengeOf(noProof)).toMatch(
      /^Bearer resource_metadata="http:[^"]*", DPoP error="invalid_dpop_proof", algs="EdDSA [^"]*RS256"$/,
    )
    const nobody = await send(gateway.mcp, { body: '{}' })
    expect(challengeOf(nobody)).toMatch(/^Bearer error="invalid_token", resource_metadata="[^"]*", DPoP algs="/)
    const address = /resource_metadata="([^"]*)"/.exec(challengeOf(nobody))?.[1] ?? ''
    const metadata = JSON.parse((await send(address, { method: 'GET' })).text) as Record<string, unknown>
    expect(metadata).toMatchObject({
      resource: gateway.mcp,
      authorization_servers: [issuer, 'urn:sluicegate:development'],
      dpop_signing_alg_values_supported: ['EdDSA', 'Ed25519', 'ES256', 'ES384', 'PS256', 'RS256'],
      tls_client_certificate_bound_access_tokens: false,
    })
  })

  it('keeps its key in a session of the 2025 revisions, and may open several', async () => {
    await using gateway = await open()
    const shown = token()
    const sent = (body: object, headers: object = {}) =>
      send(gateway.mcp, {
        headers: { authorization: `DPoP ${shown}`, dpop: proofBy(key, shown, gateway.mcp, Date.now()), ...headers },
        body: JSON.stringify(body),
      })
    const [one, two] = [await sent(initialize), await sent(initialize)]
    expect([one.status, two.status]).toEqual([200, 200])
    const session = { 'mcp-session-id': String(one.headers['mcp-session-id']), 'mcp-protocol-version': '2025-11-25' }
    expect((await sent(legacyCall('flag.set', flag()), session)).message.result?.isError).toBeUndefined()
  })

  it('is for the address clients know, where one is configured', async () => {
    await using gateway = await open({ listen: { publicUrl: 'https://gate.example.com/mcp' } })
    const shown = token()
    expect((await call(gateway, shown)).status).toBe(401)
    const behind = { url: 'https://gate.example.com/mcp', headers: { host: 'gate.example.com' } }
    expect((await call(gateway, shown, 'orders.export', week, behind)).status).toBe(200)
    const nobody = await send(gateway.mcp, { body: '{}', headers: { host: 'gate.example.com' } })
    expect(challengeOf(nobody)).toContain('"https://gate.example.com/.well-known/oauth-protected-resource/mcp"')
  })
})

describe('a token that is bound to no key', () => {
  it('gains nothing from a proof', async () => {
    await using gateway = await open()
    const loose = token({})
    expect((await call(gateway, loose)).status).toBe(401)
    const beside = await call(gateway, loose, 'orders.export', week, { headers: { authorization: `Bearer ${loose}` } })
    expect(beside.status).toBe(401)
    expect(challengeOf(beside)).toContain('error="invalid_dpop_proof"')
  })
})
