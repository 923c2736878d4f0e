import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { developmentIssuerName } from '../../src/identity/issuer.ts'
import { issue, issuerOf, openTestGateway } from '../support/gateway.ts'
import { jwksOf } from '../support/key-server.ts'
import { mint, signed } from '../support/tokens.ts'
import { initialize, legacyCall, modernCall, rpc } from '../support/wire.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-production-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const own = mint('ES256', 'one')
const file = join(folder, 'sluicegate.yaml')
writeFileSync(join(folder, 'jwks.json'), JSON.stringify(jwksOf(own)))
writeFileSync(
  file,
  `mode: production
auth:
  issuers:
    - { issuer: https://id.example.com, jwks: jwks.json }
  audience: urn:sluicegate:gateway
  tenants: { acme: { home: US } }
`,
)

function token(claims: object = {}): string {
  const now = Math.floor(Date.now() / 1000)
  const who = { iss: 'https://id.example.com', aud: 'urn:sluicegate:gateway', sub: 'agent:copilot', tenant: 'acme' }
  const times = { iat: now, nbf: now, exp: now + 300, jti: randomUUID() }
  return signed(
    own,
    { alg: 'ES256', typ: 'at+jwt', kid: 'one' },
    { ...who, ...times, scope: 'flags.write:dev', ...claims },
  )
}

const args = { name: 'a', env: 'dev', rolloutPct: 1, idemKey: randomUUID() }
const flag = modernCall('flag.set', args)

describe('a production gateway on a data directory that served development', () => {
  it('takes no development token, though the key that signs them is still there', async () => {
    const data = join(folder, 'data')
    const issuer = await issuerOf(data)
    expect(existsSync(join(data, 'keys', 'issuer.pem'))).toBe(true)
    await using gateway = await openTestGateway({ file, data })
    expect((await rpc(gateway.mcp, issue(issuer, {}), flag.body, flag.headers)).status).toBe(401)
    const borrowed = token({ iss: developmentIssuerName })
    expect((await rpc(gateway.mcp, borrowed, flag.body, flag.headers)).status).toBe(401)
    expect((await rpc(gateway.mcp, token(), initialize)).status).toBe(200)
  })

  it('ties tokens to their senders without being told to, and lets none change anything that is not', async () => {
    await using gateway = await openTestGateway({ file })
    const shown = token()
    const answer = await rpc(gateway.mcp, shown, flag.body, flag.headers)
    expect(answer.message.result?.structuredContent).toMatchObject({ denied: { code: 'policy_denied' } })
    expect((await rpc(gateway.mcp, shown, initialize)).status).toBe(401)
    const bound = token()
    const opened = await rpc(gateway.mcp, bound, initialize)
    const session = { 'mcp-session-id': String(opened.headers['mcp-session-id']), 'mcp-protocol-version': '2025-11-25' }
    const inside = await rpc(gateway.mcp, bound, legacyCall('flag.set', args), session)
    // No service is configured: the call got as far as asking where its backend is.
    expect(inside.message.result?.structuredContent).not.toMatchObject({ denied: { code: 'policy_denied' } })
  })
})
