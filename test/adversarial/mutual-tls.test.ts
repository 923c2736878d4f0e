import { createHash, sign, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type SecureContextOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeFiles } from '../../src/adapters/files.ts'
import { openIssuerKey } from '../../src/adapters/issuer-key-file.ts'
import type { TlsSection } from '../../src/config/tls-section.ts'
import { authority, pairFiles, type Pair } from '../support/certificates.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { modern, send, type Answer } from '../support/wire.ts'

/* What a token that is bound to a certificate is worth with that certificate, with another, and with none (RFC 8705). */

const directory = mkdtempSync(join(tmpdir(), 'sluicegate-mtls-'))
const servers = authority('servers')
const clients = authority('clients')
const strangers = authority('strangers')
const [ana, bob, eve] = [clients.issue('ana'), clients.issue('bob'), strangers.issue('eve')]

let asking: TestGateway
let demanding: TestGateway
beforeAll(async () => {
  asking = await openTestGateway({ listen: { tls: tlsOf('request') }, admin: { tls: tlsOf('none') } })
  demanding = await openTestGateway({ listen: { tls: tlsOf('require') } })
})
afterAll(async () => {
  await asking.close()
  await demanding.close()
  rmSync(directory, { recursive: true, force: true })
})

function tlsOf(clientCert: TlsSection['clientCert']): TlsSection {
  const files = pairFiles(directory, servers.issue('gate'), clientCert)
  const ca = join(directory, 'clients.crt')
  writeFileSync(ca, clients.cert)
  return { ...files, ca, clientCert, minVersion: '1.3', rotationDays: 90 }
}

const thumbOf = ({ cert }: Pair) => createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url')

/** The gateway's own token, with a confirmation added (RFC 7800). */
async function bound(gateway: TestGateway, cnf: object): Promise<string> {
  const [header, payload] = gateway.token().split('.') as [string, string]
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const text = `${header}.${Buffer.from(JSON.stringify({ ...claims, cnf })).toString('base64url')}`
  const key = await openIssuerKey(nodeFiles(), gateway.data)
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
}

function list(gateway: TestGateway, token: string, shown: SecureContextOptions = {}): Promise<Answer> {
  const { body, headers } = modern('tools/list')
  const tls = { ca: servers.cert, ...shown }
  return send(gateway.mcp, {
    headers: { ...headers, authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
    tls,
  })
}

const status = async (answer: Promise<Answer>) => answer.then(({ status: got }) => got, () => 'refused') // prettier-ignore

describe('a token that is bound to a client certificate', () => {
  it('works with its certificate and is 401 with another, with a stranger’s, and with none', async () => {
    const token = await bound(asking, { 'x5t#S256': thumbOf(ana) })
    const seen = [ana, bob, eve, {}].map((shown) => status(list(asking, token, shown)))
    expect(await Promise.all(seen)).toEqual([200, 401, 401, 401])
  })

  it('is 401 where a stranger’s certificate has the thumbprint it names: nobody vouches for it', async () => {
    expect(await status(list(asking, await bound(asking, { 'x5t#S256': thumbOf(eve) }), eve))).toBe(401)
  })

  it('leaves the certificate in the evidence of its calls', async () => {
    const { body, headers } = modern('tools/call', { name: 'orders.export', arguments: { from: '2025-09-01', to: '2025-09-01' } }, { 'mcp-name': 'orders.export' }) // prettier-ignore
    const token = await bound(asking, { 'x5t#S256': thumbOf(ana) })
    await send(asking.mcp, {
      headers: { ...headers, authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
      tls: { ca: servers.cert, ...ana },
    })
    const [outcome] = (await asking.records()).filter(({ type }) => type === 'call.outcome')
    expect(outcome?.actor?.certThumb).toBe(thumbOf(ana))
  })
})

describe('a listener that requires client certificates', () => {
  it('serves nobody without one of its authorities, before any request is read', async () => {
    const token = demanding.token()
    const seen = [ana, eve, {}].map((shown) => status(list(demanding, token, shown)))
    expect(await Promise.all(seen)).toEqual([200, 'refused', 'refused'])
  })

  it('lets nobody in any more whose authority was taken away, and everybody of the one that took its place', async () => {
    const ca = join(directory, 'changing.crt')
    writeFileSync(ca, clients.cert)
    await using gateway = await openTestGateway({
      listen: { tls: { ...tlsOf('require'), ca } },
      certificatesEveryMs: 10,
    })
    const seen = (shown: Pair) => status(list(gateway, gateway.token(), shown))
    expect([await seen(ana), await seen(eve)]).toEqual([200, 'refused'])
    writeFileSync(ca, strangers.cert)
    await until(async () => (await seen(eve)) === 200)
    expect(await seen(ana)).toBe('refused')
    writeFileSync(ca, ana.cert)
    await until(() => gateway.reported.some(({ certificate }) => certificate === 'listen'))
    expect([await seen(ana), await seen(eve)]).toEqual(['refused', 200])
  })

  it('abbreviates no handshake: each connection proves its certificate anew', async () => {
    const port = Number(new URL(demanding.mcp).port)
    const open = (session?: Buffer) =>
      new Promise<{ session: Buffer | undefined; reused: boolean }>((resolve, reject) => {
        let ticket: Buffer | undefined
        const socket = connect({ port, host: '127.0.0.1', ca: servers.cert, ...ana, ...(session && { session }) })
        socket.on('session', (got) => (ticket = got)).on('error', reject)
        socket.on('data', () => {
          resolve({ session: ticket, reused: socket.isSessionReused() })
          socket.destroy()
        })
        socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
      })
    const first = await open()
    expect((await open(first.session)).reused).toBe(false)
  })
})

describe('a listener with TLS', () => {
  it('speaks 1.3 and nothing older, unless it is told to', async () => {
    expect(await status(list(asking, asking.token(), { maxVersion: 'TLSv1.2' }))).toBe('refused')
    await using older = await openTestGateway({ listen: { tls: { ...tlsOf('none'), minVersion: '1.2' } } })
    expect(await status(list(older, older.token(), { maxVersion: 'TLSv1.2' }))).toBe(200)
  })

  it('says https wherever it names itself, and asks browsers to stay with it', async () => {
    expect(asking.mcp).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/mcp$/)
    const known = asking.mcp.replace('/mcp', '/.well-known/oauth-protected-resource')
    const answer = await send(known, { method: 'GET', tls: { ca: servers.cert } })
    expect(answer.text).toContain(`"resource":"${asking.mcp}"`)
    expect(answer.headers['strict-transport-security']).toBe('max-age=31536000')
    const { headers } = await list(asking, 'nobody')
    expect(headers['www-authenticate']).toContain('resource_metadata="https://127.0.0.1')
    const ops = await send(`${asking.admin}/healthz`, { method: 'GET', tls: { ca: servers.cert } })
    expect([ops.status, ops.headers['strict-transport-security']]).toEqual([200, 'max-age=31536000'])
  })

  it('answers nothing to a client that speaks plain HTTP', async () => {
    await expect(send(asking.mcp.replace('https', 'http'))).rejects.toThrow(/ECONNRESET|socket hang up|Parse Error/)
  })
})
