import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { keySet } from '../../../src/identity/keyset.ts'
import { verifier } from '../../../src/identity/token.ts'
import { testClock } from '../../support/clock.ts'
import { jwksOf } from '../../support/key-server.ts'
import { mint, signed } from '../../support/tokens.ts'

const guide = readFileSync(fileURLToPath(new URL('../../../docs/identity.md', import.meta.url)), 'utf8')
const block = (language: string, holds: string) =>
  [...guide.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))]
    .map(([, text = '']) => text)
    .find((text) => text.includes(holds)) ?? ''

interface Client {
  readonly fullScopeAllowed: boolean
  readonly defaultClientScopes: readonly string[]
  readonly attributes: Readonly<Record<string, string>>
  readonly protocolMappers: readonly { readonly config: Readonly<Record<string, string>> }[]
}

/** An access token as Keycloak writes it for this client: no `nbf`, a type of its own in the payload, claims nobody asked for. */
function keycloakToken(
  own: ReturnType<typeof mint>,
  issuer: string,
  { protocolMappers, attributes }: Client,
  now: number,
): string {
  const claims = Object.assign({}, ...protocolMappers.map(({ config }) => config)) as Record<string, string>
  const payload = {
    exp: now + Number(attributes['access.token.lifespan']),
    iat: now,
    jti: `trrtcc:${randomUUID()}`,
    iss: issuer,
    aud: claims['included.custom.audience'],
    sub: randomUUID(),
    typ: 'Bearer',
    azp: 'copilot',
    acr: '1',
    'allowed-origins': ['/*'],
    scope: 'orders.read',
    [claims['claim.name'] as string]: claims['claim.value'],
  }
  return signed(own, { alg: own.alg, typ: 'at+jwt', kid: own.kid }, payload)
}

describe('the guide to putting an issuer in front', () => {
  const { config, problems, warnings } = parseConfig(
    block('yaml', '# sluicegate.yaml'),
    '/etc/sluicegate/sluicegate.yaml',
  )
  const client = JSON.parse(block('json', '"clientId"')) as Client

  it('shows a configuration that loads as it stands', () => {
    expect([problems, warnings]).toEqual([[], []])
    expect(config).toMatchObject({
      mode: 'production',
      auth: { issuers: [{ algorithms: ['RS256'], nbf: 'optional' }] },
    })
  })

  it('begins with one for this machine, which loads as it stands and trusts the same issuer', () => {
    const trial = parseConfig(block('yaml', '# try.yaml'), '/tmp/try.yaml')
    expect([trial.problems, trial.warnings]).toEqual([[], []])
    expect(trial.config).toMatchObject({ mode: 'development', services: 'builtin', auth: config?.auth })
  })

  it('shows a client whose tokens that configuration takes', async () => {
    const clock = testClock()
    const own = mint('RS256', 'kc')
    const [section] = config?.auth.issuers ?? []
    if (!config || !section) throw new Error('no issuer')
    const keys = keySet(
      { keys: [...jwksOf(own).keys, { ...jwksOf(mint('RS256', 'enc')).keys[0], use: 'enc', alg: 'RSA-OAEP' }] },
      section.algorithms,
    )
    const verify = (nbfOptional: boolean) =>
      verifier({
        issuers: [{ issuer: section.issuer, keys, nbfOptional }],
        audience: config.auth.audience,
        clock,
        cacheMax: 1,
      })
    const token = keycloakToken(own, section.issuer, client, Math.floor(clock.nowMs() / 1000))
    expect(await verify(section.nbf === 'optional').verify(token)).toMatchObject({
      ok: true,
      token: { claims: { tenant: 'acme', scopes: ['orders.read'], ttlSec: 300, notBeforeMs: clock.nowMs() } },
    })
    expect(await verify(false).verify(token)).toMatchObject({ ok: false, why: { check: 'nbf' } })
    expect(client.attributes['access.token.header.type.rfc9068']).toBe('true')
    expect([client.fullScopeAllowed, client.defaultClientScopes.includes('roles')]).toEqual([false, false])
  })
})
