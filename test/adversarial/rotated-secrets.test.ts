import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authority } from '../support/certificates.ts'
import { cli } from '../support/cli.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { fakeVault } from '../support/vault.ts'
import { mint } from '../support/tokens.ts'
import { send } from '../support/wire.ts'

/** Stands for a service and a collector; keeps what it was shown. */
async function recorder() {
  const shown: { readonly url: string; readonly authorization: string }[] = []
  const server = createServer((request: IncomingMessage, response) => {
    shown.push({ url: request.url ?? '', authorization: request.headers.authorization ?? '' })
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(request.url?.startsWith('/v1/') === true ? '{}' : '{"total":0,"orders":[]}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const seenAt = (path: string) =>
    shown.filter(({ url }) => url.startsWith(path)).map(({ authorization }) => authorization)
  return { url, seenAt, close: () => server.close() }
}

/** Longer than the second between two looks at a file. */
const aLook = () => wait(1_100)

const days = { from: '2025-09-01', to: '2025-09-01' }
const values = ['service', 'service-next', 'admin', 'admin-next', 'otlp', 'otlp-next'].map(
  (what) => `canary-${what}-81c2f0`,
)

describe('secrets in use', () => {
  const data = mkdtempSync(join(tmpdir(), 'sluicegate-rotated-'))
  let other: Awaited<ReturnType<typeof recorder>>
  let gate: TestGateway
  const put = (name: string, what: string) =>
    writeFileSync(join(data, name), `canary-${what}-81c2f0\n`, { mode: 0o600 })
  const export1 = () => gate.call('orders.export', days)

  beforeAll(async () => {
    other = await recorder()
    put('service.token', 'service')
    put('admin.secret', 'admin')
    writeFileSync(join(data, 'otlp.secret'), 'Bearer canary-otlp-81c2f0', { mode: 0o600 })
    const regions = { 'us-east': other.url, 'eu-west': other.url }
    gate = await openTestGateway({
      data,
      over: {
        services: { orders: { token: 'file:service.token', regions } },
        admin: { token: 'file:admin.secret' },
        telemetry: { otlp: { url: `${other.url}/v1/traces`, headers: { authorization: 'file:otlp.secret' } } },
      },
    })
  })

  afterAll(async () => {
    await gate.close()
    other.close()
    rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  })

  const metrics = (token: string) =>
    send(`${gate.admin}/metrics`, { method: 'GET', headers: { authorization: `Bearer ${token}` } })

  it('are the new ones after a rotation, without a restart: service, admin listener and collector', async () => {
    expect((await export1()).ended).toBe('ok')
    await gate.started.gateway.flush()
    expect(other.seenAt('/orders')).toEqual(['Bearer canary-service-81c2f0'])
    expect(new Set(other.seenAt('/v1/traces'))).toEqual(new Set(['Bearer canary-otlp-81c2f0']))
    expect((await metrics('canary-admin-81c2f0')).status).toBe(200)

    put('service.token', 'service-next')
    put('admin.secret', 'admin-next')
    writeFileSync(join(data, 'otlp.secret'), 'Bearer canary-otlp-next-81c2f0')
    await aLook()
    expect((await export1()).ended).toBe('ok')
    await gate.started.gateway.flush()
    expect(other.seenAt('/orders').at(-1)).toBe('Bearer canary-service-next-81c2f0')
    expect(other.seenAt('/v1/traces').at(-1)).toBe('Bearer canary-otlp-next-81c2f0')
    expect((await metrics('canary-admin-81c2f0')).status).toBe(401)
    expect((await metrics('canary-admin-next-81c2f0')).status).toBe(200)
  })

  it('end what needs them once they are taken away: nothing is sent, nobody is let in', async () => {
    for (const name of ['service.token', 'admin.secret', 'otlp.secret']) rmSync(join(data, name))
    await aLook()
    const before = [other.seenAt('/orders').length, other.seenAt('/v1/traces').length]
    const refused = await export1()
    await gate.started.gateway.flush()
    expect(refused.ended).toBe('upstream_unavailable')
    expect([other.seenAt('/orders').length, other.seenAt('/v1/traces').length]).toEqual(before)
    for (const token of ['canary-admin-81c2f0', 'canary-admin-next-81c2f0', 'undefined', ''])
      expect((await metrics(token)).status).toBe(401)
    const told = gate.reported.filter(({ fault }) => String(fault).includes('is not there'))
    expect(told).toHaveLength(3)
    expect(refused.wire).not.toContain('token')
  })

  it('stand in no output: evidence, spans, metrics, reports, answers, data files', async () => {
    put('admin.secret', 'admin-next')
    await aLook()
    const { text } = await metrics('canary-admin-next-81c2f0')
    const kept = readdirSync(data, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(data, name)).isFile() && name !== 'admin.secret')
      .map((name) => readFileSync(join(data, name), 'latin1'))
    const told = [text, JSON.stringify(gate.reported), (await export1()).wire, ...kept].join('\n')
    expect(told).toContain('orders.export')
    expect(values.filter((value) => told.includes(value))).toEqual([])
  })
})

describe('secrets in Vault', () => {
  it('are rotated, withdrawn and shown nowhere, as those in files are', async () => {
    const data = mkdtempSync(join(tmpdir(), 'sluicegate-vaulted-'))
    const [vault, other] = [await fakeVault(), await recorder()]
    await vault.put('secret/orders', { token: 'canary-vault-31e0' })
    const { roleId, secretId } = await vault.appRole('secret/orders')
    writeFileSync(join(data, 'role'), roleId, { mode: 0o600 })
    writeFileSync(join(data, 'secret'), secretId, { mode: 0o600 })
    const gate = await openTestGateway({
      data,
      over: {
        secrets: {
          provider: 'vault',
          vault: {
            url: vault.url,
            appRole: { roleId: 'file:role', secretId: 'file:secret' },
            refreshSeconds: 1,
            holdSeconds: 0,
          },
        },
        services: {
          orders: {
            token: 'vault:secret/orders#token',
            regions: { 'us-east': other.url, 'eu-west': other.url },
          },
        },
      },
    })
    const call = async () => (await gate.call('orders.export', days)).ended
    expect(await call()).toBe('ok')
    expect(other.seenAt('/orders')).toEqual(['Bearer canary-vault-31e0'])
    await vault.put('secret/orders', { token: 'canary-vault-next-31e0' })
    // Asked of the metrics: calls that ask again and again are limited.
    const shows = async (line: string) => (await gate.started.gateway.admin.metrics()).includes(line)
    const metric = (name: string, value: number) => `sluicegate_secret_${name}{secret="services.orders.token"} ${value}`
    await until(() => shows(metric('rotations_total', 1)), 'the next one')
    expect(await call()).toBe('ok')
    expect(other.seenAt('/orders').at(-1)).toBe('Bearer canary-vault-next-31e0')
    expect(new Set(other.seenAt('/orders')).size).toBe(2)
    await vault.seal?.()
    await until(() => shows(metric('available', 0)), 'its withdrawal')
    const sent = other.seenAt('/orders').length
    expect(await call()).toBe('upstream_unavailable')
    expect(other.seenAt('/orders')).toHaveLength(sent)
    const metrics = await gate.started.gateway.admin.metrics()
    expect(metrics).toMatch(/sluicegate_secret_failures_total\{secret="services\.orders\.token"\} [1-9]/)
    await gate.close()
    const kept = readdirSync(data, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(data, name)).isFile() && !['role', 'secret'].includes(name))
      .map((name) => readFileSync(join(data, name), 'latin1'))
    const told = [metrics, JSON.stringify(gate.reported), ...kept].join('\n')
    expect(told).toContain('it is sealed')
    const hidden = ['canary-vault', roleId, ...vault.given]
    expect(hidden.filter((word) => told.includes(word))).toEqual([])
    await vault.close()
    other.close()
    rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  })

  it('come from a Vault whose authorities are replaced while the gateway runs, on record as any certificate', async () => {
    const data = mkdtempSync(join(tmpdir(), 'sluicegate-vaulted-'))
    const [ours, others] = [authority('ours'), authority('others')]
    const [vault, other] = [await fakeVault(ours.issue('127.0.0.1')), await recorder()]
    await vault.put('secret/orders', { token: 'canary-vault-77aa' })
    writeFileSync(join(data, 'token'), await vault.token('*'), { mode: 0o600 })
    writeFileSync(join(data, 'ca.crt'), ours.cert)
    const at = { url: vault.url, ca: 'ca.crt', token: 'file:token', refreshSeconds: 1, holdSeconds: 0 }
    const gate = await openTestGateway({
      data,
      over: {
        secrets: { provider: 'vault', vault: at },
        services: {
          orders: { token: 'vault:secret/orders#token', regions: { 'us-east': other.url, 'eu-west': other.url } },
        },
      },
    })
    const says = (line: string) => until(async () => (await gate.started.gateway.admin.metrics()).includes(line), line)
    await says('sluicegate_certificates_total{certificate="secrets.vault",result="loaded"} 1')
    expect((await gate.call('orders.export', days)).ended).toBe('ok')
    writeFileSync(join(data, 'ca.crt'), 'nobody')
    await says('sluicegate_certificates_total{certificate="secrets.vault",result="refused"} 1')
    await says('sluicegate_secret_available{secret="services.orders.token"} 1')
    writeFileSync(join(data, 'ca.crt'), others.cert)
    await says('sluicegate_secret_available{secret="services.orders.token"} 0')
    expect((await gate.call('orders.export', days)).ended).toBe('upstream_unavailable')
    writeFileSync(join(data, 'ca.crt'), ours.cert)
    await says('sluicegate_secret_available{secret="services.orders.token"} 1')
    expect((await gate.call('orders.export', days)).ended).toBe('ok')
    await gate.close()
    await vault.close()
    other.close()
    rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  })

  it('that cannot be had end the start with 3, and say why without a word of them', async () => {
    const data = mkdtempSync(join(tmpdir(), 'sluicegate-vaulted-'))
    const file = join(data, 'sluicegate.yaml')
    writeFileSync(join(data, 'token'), 'hvs.canary-token-9d', { mode: 0o600 })
    const at = (url: string) =>
      writeFileSync(
        file,
        `mode: development
admin: { token: 'vault:secret/admin#token' }
secrets: { provider: vault, vault: { url: '${url}', token: 'file:token' } }
services: builtin
`,
      )
    const vault = await fakeVault()
    at(vault.url)
    const denied = await cli('serve', '--config', file, '--data', join(data, 'd'))
    expect(denied.code).toBe(3)
    expect(denied.stderr).toMatch(/admin\.token needs secret\/admin from Vault at http:\S+: it refuses us \(403\)\./)
    await vault.close()
    const away = await cli('serve', '--config', file, '--data', join(data, 'd'))
    expect(away.code).toBe(3)
    expect(away.stderr).toMatch(/cannot be reached \(ECONNREFUSED\)/)
    expect(`${denied.stderr}${away.stderr}${denied.stdout}`).not.toContain('canary')
    rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  })
})

describe('a production gateway', () => {
  it('does not start while a secret stands in its environment, and does not repeat it', async () => {
    const data = mkdtempSync(join(tmpdir(), 'sluicegate-exposed-'))
    writeFileSync(join(data, 'admin'), 'canary-exposed-41c7', { mode: 0o400 })
    const key = { ...mint('ES256', 'k').publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256' }
    writeFileSync(join(data, 'jwks.json'), JSON.stringify({ keys: [key] }))
    const file = join(data, 'sluicegate.yaml')
    writeFileSync(
      file,
      "auth: { issuers: [{ issuer: i, jwks: jwks.json }] }\nadmin: { token: 'file:admin', port: 0 }\nlisten: { port: 0 }\n",
    )
    process.env['SOMEBODYS_TOKEN'] = 'Bearer canary-exposed-41c7'
    const refused = await cli('serve', '--config', file, '--data', join(data, 'd'))
    delete process.env['SOMEBODYS_TOKEN']
    expect(refused.code).toBe(3)
    expect(refused.stderr).toContain(
      'The secret of admin.token also stands in the environment variable SOMEBODYS_TOKEN',
    )
    expect(refused.stderr).not.toContain('canary')
    rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  })
})
