import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { authority, pairFiles, type Pair } from '../support/certificates.ts'
import { ran, run } from '../support/child.ts'
import { proofBy } from '../support/dpop.ts'
import { audience, oidcProvider, oidcProviderFound, providerAlgorithms, type OidcProvider } from '../support/oidc-provider.ts' // prettier-ignore
import { mint } from '../support/tokens.ts'
import { legacyCall, send, type Sent } from '../support/wire.ts'

const skipped = 'skipped: no OpenID provider (run "node scripts/oidc.ts")'
if (!oidcProviderFound) process.stdout.write(`oidc: ${skipped}\n`)

/** The configuration that the guide begins with. */
const guide = readFileSync(fileURLToPath(new URL('../../docs/identity.md', import.meta.url)), 'utf8')
const [, trial = ''] = /```yaml\n# try\.yaml\n([\s\S]*?)```/.exec(guide) ?? []

interface Trial {
  readonly auth: { readonly issuers: readonly [object] }
}

const orders = legacyCall('orders.export', { from: '2025-08-25', to: '2025-08-25' })
const raise = () =>
  legacyCall('flag.set', { name: 'checkout_v2', env: 'staging', rolloutPct: 10, idemKey: randomUUID() })

describe.skipIf(!oidcProviderFound)('a certified OpenID provider, set as the guide says', () => {
  const trusted = authority('ours')
  const folder = mkdtempSync(join(tmpdir(), 'sluicegate-oidc-'))
  const file = (name: string, text: string) => (writeFileSync(join(folder, name), text), join(folder, name))
  const [ca, tls] = [file('ca.crt', trusted.cert), pairFiles(folder, trusted.issue('localhost'))]
  let provider: OidcProvider

  beforeAll(async () => {
    provider = await oidcProvider(trusted)
  })
  afterAll(async () => {
    await provider[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  /** The guide's file, with this issuer's name, address and authority in their places, on free ports. */
  function configured(name: string, { issuer = {}, auth = {}, listen = {} } = {}): string {
    const shown = parse(trial) as Trial
    const { issuer: named, jwks } = provider
    const [asShown] = shown.auth.issuers
    const issuers = [{ ...asShown, issuer: named, jwks, ca, algorithms: [...providerAlgorithms], ...issuer }]
    const ports = { listen: { port: 0, ...listen }, admin: { port: 0 } }
    return file(name, stringify({ ...shown, ...ports, auth: { ...shown.auth, issuers, ...auth } }))
  }

  /** `sluicegate serve` as the guide starts it, until it is ready. */
  async function served(config: string) {
    const data = mkdtempSync(join(folder, 'data-'))
    const gateway = run(['serve', '--config', config, '--data', data])
    const line = await gateway.line('stderr', (text) => text.startsWith('{"ready":true'))
    const { mcp } = JSON.parse(line) as { mcp: string }
    const call = (token: string, body: object = orders, { headers = {}, tls: shown = {} }: Sent = {}) =>
      send(mcp, {
        headers: { authorization: `Bearer ${token}`, ...headers },
        body: JSON.stringify(body),
        tls: { ca: trusted.cert, ...shown },
      })
    /** What `evidence list` says of the newest refusal. */
    const cause = async () => (await ran('evidence', 'list', '--data', data)).stdout.split('\n').findLast((line) => line.includes(' deny ')) // prettier-ignore
    return { mcp, call, cause, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() }
  }

  it('is found fit by config check and doctor, and serves a call with its first token', async () => {
    const config = configured('try.yaml')
    expect(await ran('config', 'check', config)).toMatchObject({ code: 0 })
    const { stdout } = await ran('doctor', '--config', config, '--data', join(folder, 'none'))
    expect(stdout).toMatch(/^ok +issuers +1 issuers with usable keys/m)
    await using gateway = await served(config)
    const { status, message } = await gateway.call(await provider.token())
    expect([status, message.result?.isError]).toEqual([200, undefined])
    expect(message.result?.structuredContent).toMatchObject({ total: 21 })
  })

  it('signs with any algorithm that is configured, and with no other', async () => {
    await using all = await served(configured('all.yaml'))
    await using one = await served(configured('one.yaml', { issuer: { algorithms: ['ES256'] } }))
    for (const client of providerAlgorithms) {
      expect((await all.call(await provider.token({ client }))).status).toBe(200)
      expect((await one.call(await provider.token({ client }))).status).toBe(client === 'ES256' ? 200 : 401)
    }
    expect(await one.cause()).toMatch(/unauthenticated: alg: .*`algorithms`/)
  })

  it('that says something else is refused, and the record says what to change', async () => {
    await using gateway = await served(configured('refused.yaml'))
    for (const [asked, cause] of [
      [{ resource: undefined }, /unauthenticated: encoding: .*Opaque tokens/],
      [{ resource: 'urn:example:other' }, /unauthenticated: aud: .*`auth\.audience`/],
      [{ client: 'lasting' }, /unauthenticated: exp: The token lives 3600 s; at most 600 s/],
      [{ client: 'homeless' }, /unauthenticated: tenant: /],
      [{ client: 'untyped' }, /unauthenticated: typ: .*at\+jwt/],
      [{ client: 'listed' }, /unauthenticated: aud: .*one string/],
    ] as const) {
      expect((await gateway.call(await provider.token(asked))).status).toBe(401)
      expect(await gateway.cause()).toMatch(cause)
    }
    const poor = await gateway.call(await provider.token({ scope: 'flags.write:staging' }))
    expect([poor.status, poor.headers['www-authenticate']]).toEqual([403, expect.stringContaining('"orders.read"')])
  })

  it('is named with what is wrong by doctor: nbf, its authority, and the wrong document', async () => {
    await using strict = await served(configured('strict.yaml', { issuer: { nbf: 'required' } }))
    expect((await strict.call(await provider.token())).status).toBe(401)
    expect(await strict.cause()).toMatch(/unauthenticated: nbf: .*`nbf: optional`/)
    const discovery = `${provider.issuer}/.well-known/openid-configuration`
    for (const [issuer, said] of [
      [{ ca: file('other.crt', authority('other').cert) }, /`ca` beside `jwks`/],
      [{ jwks: discovery }, /under "jwks_uri"/],
      [{ jwks: `${provider.issuer}/elsewhere` }, /it answered 404/],
    ] as const) {
      const { code, stdout } = await ran('doctor', '--config', configured('bad.yaml', { issuer }), '--data', folder)
      expect(code).toBe(1)
      expect(stdout).toMatch(said)
    }
  })

  it('binds tokens to a DPoP key: with it they may change things, without it they are nobody’s', async () => {
    await using gateway = await served(configured('dpop.yaml', { auth: { replay: 'bound' } }))
    const [own, thief] = [mint('ES256'), mint('ES256')]
    const scope = 'flags.write:staging'
    const proof = proofBy(own, '', provider.tokenEndpoint, Date.now(), { claims: { ath: undefined } })
    const token = await provider.token({ scope, proof })
    const proven = (by = own) => ({
      headers: { authorization: `DPoP ${token}`, dpop: proofBy(by, token, gateway.mcp, Date.now()) },
    })
    expect((await gateway.call(token, raise(), proven())).message.result?.structuredContent).toMatchObject({ rolloutPct: 10 }) // prettier-ignore
    expect((await gateway.call(token, raise(), proven(thief))).status).toBe(401)
    expect((await gateway.call(token, raise())).status).toBe(401)
    const loose = await gateway.call(await provider.token({ scope }), raise())
    expect(loose.message.result?.structuredContent).toMatchObject({ denied: { code: 'policy_denied' } })
  })

  it('binds tokens to a client certificate: they work over its connections, and over no other', async () => {
    const listen = { tls: { ...tls, ca, clientCert: 'request' } }
    await using gateway = await served(configured('mtls.yaml', { listen, auth: { replay: 'bound' } }))
    const [own, thief]: readonly Pair[] = [trusted.issue('agent'), trusted.issue('thief')]
    const token = await provider.token({ client: 'bound', scope: 'flags.write:staging', tls: own ?? {} })
    const over = (pair: Pair | undefined) => gateway.call(token, raise(), { tls: pair ?? {} })
    expect((await over(own)).message.result?.structuredContent).toMatchObject({ rolloutPct: 10 })
    expect((await over(thief)).status).toBe(401)
    expect((await over(undefined)).status).toBe(401)
    expect(await gateway.cause()).toMatch(/unauthenticated: cnf: /)
  })

  it('is for the audience that the guide names', () => {
    expect((parse(trial) as { auth: { audience: string } }).auth.audience).toBe(audience)
  })
})
