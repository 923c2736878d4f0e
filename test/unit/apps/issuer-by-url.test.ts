import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openIssuerKeys } from '../../../src/apps/issuer-keys.ts'
import { authority } from '../../support/certificates.ts'
import { testClock } from '../../support/clock.ts'
import { openTestGateway } from '../../support/gateway.ts'
import { giving, jwksOf, keyServer } from '../../support/key-server.ts'
import { mint, signed } from '../../support/tokens.ts'
import { modernCall, rpc, send } from '../../support/wire.ts'

const issuer = 'https://id.example.com/realms/acme'
const audience = 'urn:test:gateway'
const own = mint('RS256', 'one')

function token(more: object = {}): string {
  const now = Math.floor(Date.now() / 1000)
  const times = { iat: now, nbf: now, exp: now + 300 }
  const claims = { iss: issuer, aud: audience, sub: 'agent:copilot', tenant: 'acme', scope: 'orders.read', ...times }
  return signed(own, { alg: 'RS256', typ: 'at+jwt', kid: 'one' }, { ...claims, jti: randomUUID(), ...more })
}

const open = (jwks: string, more: object = {}) =>
  openTestGateway({
    over: {
      auth: {
        issuers: [{ issuer, jwks, algorithms: ['RS256'], ...more }],
        audience,
        tenants: { acme: { home: 'US' } },
      },
    },
  })

async function call(mcp: string, shown: string): Promise<number> {
  const { body, headers } = modernCall('orders.export', { from: '2025-08-01', to: '2025-08-01' })
  return (await rpc(mcp, shown, body, headers)).status
}

describe('a gateway whose issuer is named by the address of its keys', () => {
  it('serves its tokens', async () => {
    await using server = await keyServer(giving(jwksOf(own)))
    await using gateway = await open(server.url)
    expect(await call(gateway.mcp, token())).toBe(200)
    expect((await send(`${gateway.admin}/readyz`, { method: 'GET' })).status).toBe(200)
  })

  it('takes its tokens without nbf only where the configuration says that it writes none', async () => {
    await using server = await keyServer(giving(jwksOf(own)))
    for (const [nbf, status] of [
      ['required', 401],
      ['optional', 200],
    ] as const) {
      await using gateway = await open(server.url, { nbf })
      expect(await call(gateway.mcp, token({ nbf: undefined }))).toBe(status)
    }
  })

  it('starts while the issuer is down, refuses its tokens, and says so to operators', async () => {
    await using server = await keyServer((_request, response) => void response.writeHead(503).end())
    await using gateway = await open(server.url)
    expect(await call(gateway.mcp, token())).toBe(401)
    const ready = await send(`${gateway.admin}/readyz`, { method: 'GET' })
    // The development issuer's tokens are served.
    expect(ready.status).toBe(200)
    expect(JSON.parse(ready.text)).toEqual({
      ready: true,
      problems: [],
      warnings: ['An issuer has no keys in force: its tokens are refused.'],
    })
    expect(gateway.reported).toContainEqual(
      expect.objectContaining({ fault: expect.stringMatching(/issuer keys at .* cannot be fetched/) as string }),
    )
  })
})

describe('the authority of the address', () => {
  it('is no longer trusted once it is taken out of its file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluicegate-ca-'))
    const [trusted, other] = [authority('ours'), authority('other')]
    const ca = join(folder, 'ca.crt')
    writeFileSync(ca, trusted.cert)
    await using server = await keyServer(giving(jwksOf(own)), trusted.issue('localhost'))
    const clock = testClock()
    const section = { issuer, jwks: server.url, ca, algorithms: ['RS256'], nbf: 'required' } as const
    const keys = await openIssuerKeys(section, clock, () => undefined)
    expect(await keys.keys('one')).toHaveLength(1)
    writeFileSync(ca, other.cert)
    clock.advance(3_600_000)
    expect(await keys.keys('one')).toHaveLength(0)
    await keys.close?.()
    rmSync(folder, { recursive: true })
  })
})
