import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { startService, type Service } from '../../src/demo/service/start.ts'
import { tenants } from '../../src/demo/service/tenants.ts'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { authority, pairFiles, type Pair } from '../support/certificates.ts'
import { openTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

/* Towards service APIs both sides show a certificate, and neither talks to a stranger. */

const directory = mkdtempSync(join(tmpdir(), 'sluicegate-service-tls-'))
const theirs = authority('services')
const ours = authority('gateways')
const strangers = authority('strangers')
const credential = 'a-token-of-the-gateway'

let service: Service
beforeAll(async () => {
  service = await startService({
    region: 'us-east',
    seed: 'mtls',
    clock: systemClock(),
    tokens: { [credential]: tenants },
    tls: { ...theirs.issue('orders'), ca: ours.cert },
  })
})
afterAll(async () => {
  await service.close()
  rmSync(directory, { recursive: true, force: true })
})

function fileOf(name: string, text: string): string {
  writeFileSync(join(directory, name), text, { mode: 0o600 })
  return join(directory, name)
}

/** A gateway whose services stand at one address, behind TLS as given. */
async function gatewayFor(url: string, tls: object) {
  const regions = { 'us-east': url, 'eu-west': url }
  const section = { regions, token: `file:${fileOf('token', credential)}`, tls }
  return openTestGateway({
    over: {
      services: { orders: section, flags: section },
      detector: { stages: { default: 'off' } },
      tools: { 'flag.set': { guard: { enabled: false } } },
    },
  })
}

const orders = { from: '2025-09-01', to: '2025-09-01' }
const flag = { name: 'checkout', env: 'dev', rolloutPct: 5, idemKey: '7f1f1d3e-0b0a-4a69-9a35-000000000001' }
const shown = (name: string, pair: Pair) => pairFiles(directory, pair, name)

describe('a service that requires client certificates', () => {
  it('is called when both sides know each other’s authority', async () => {
    const tls = { ca: fileOf('theirs.crt', theirs.cert), ...shown('known', ours.issue('gateway')) }
    await using gateway = await gatewayFor(service.url, tls)
    expect((await gateway.call('orders.export', orders)).ended).toBe('ok')
    expect((await gateway.call('flag.set', flag)).ended).toBe('ok')
  })

  it.each<readonly [string, () => object]>([
    ['without a certificate', () => ({})],
    ['with a stranger’s certificate', () => shown('stranger', strangers.issue('gateway'))],
  ])('gets nothing to read from a gateway %s', async (_what, pair) => {
    const before = service.requests().length
    await using gateway = await gatewayFor(service.url, { ca: fileOf('theirs.crt', theirs.cert), ...pair() })
    expect((await gateway.call('orders.export', orders)).ended).toBe('upstream_unavailable')
    expect(service.requests()).toHaveLength(before)
  })

  it('is told nothing when its own authority is not the one that is trusted, and a write says that nothing was sent', async () => {
    const before = service.requests().length
    const tls = { ca: fileOf('wrong.crt', strangers.cert), ...shown('known', ours.issue('gateway')) }
    await using gateway = await gatewayFor(service.url, tls)
    expect((await gateway.call('orders.export', orders)).ended).toBe('upstream_unavailable')
    expect((await gateway.call('flag.set', flag)).ended).toBe('upstream_unavailable')
    expect(service.requests()).toHaveLength(before)
  })
})

describe('a service that speaks TLS 1.2 only', () => {
  it('is not called, unless its section says that it may', async () => {
    const older = createServer({ ...theirs.issue('orders'), maxVersion: 'TLSv1.2' }, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(noOrders)
    })
    const url = await listening(older)
    const ca = fileOf('theirs.crt', theirs.cert)
    for (const [minVersion, ended] of [
      ['1.3', 'upstream_unavailable'],
      ['1.2', 'ok'],
    ] as const) {
      // prettier-ignore
      await using gateway = await gatewayFor(url, { ca, minVersion })
      expect((await gateway.call('orders.export', orders)).ended).toBe(ended)
    }
    older.close()
  })
})

describe('a reload that changes what a service is shown', () => {
  const file = join(directory, 'sluicegate.yaml')
  const write = (tls: object) =>
    writeFileSync(
      file,
      stringify({
        mode: 'development',
        auth: { tenants: { acme: { home: 'US' } } },
        services: {
          orders: {
            regions: { 'us-east': service.url, 'eu-west': service.url },
            token: `file:${fileOf('token', credential)}`,
            tls,
          },
        },
        detector: { stages: { default: 'off' } },
        alerts: { sinks: [] },
      }),
    )

  it('is refused with a bad pair, and with a good one the next call shows it', async () => {
    const ca = fileOf('theirs.crt', theirs.cert)
    write({ ca })
    await using gateway = await openTestGateway({ file })
    expect((await gateway.call('orders.export', orders)).ended).toBe('upstream_unavailable')
    const bad = { ...shown('one', ours.issue('gateway')), key: shown('other', ours.issue('gateway')).key }
    write({ ca, ...bad })
    expect(await gateway.started.reloads?.reload()).toMatchObject({
      kind: 'refused',
      problems: [expect.stringMatching(/services\.orders cannot be used: The key does not belong/)],
    })
    write({ ca, ...shown('good', ours.issue('gateway')) })
    expect(await gateway.started.reloads?.reload()).toMatchObject({ kind: 'loaded' })
    expect((await gateway.call('orders.export', orders, { as: { sub: 'agent:another' } })).ended).toBe('ok')
    const metrics = await gateway.started.gateway.admin.metrics()
    expect(metrics.match(/sluicegate_certificate_expiry\{[^}]*\}/g)).toEqual([
      'sluicegate_certificate_expiry{certificate="services.orders"}',
    ])
  })
})

describe('the certificate a service is shown', () => {
  it('changes with its files: calls under way end, and those from then on show the new one', async () => {
    const seen: string[] = []
    const held: (() => void)[] = []
    const server = createServer(
      { ...theirs.issue('orders'), ca: ours.cert, requestCert: true },
      (request, response) => {
        seen.push((request.socket as TLSSocket).getPeerCertificate().fingerprint256)
        const answer = () => response.writeHead(200, { 'content-type': 'application/json' }).end(noOrders)
        if (seen.length === 1) held.push(answer)
        else answer()
      },
    )
    const url = await listening(server)
    const [first, second] = [ours.issue('gateway'), ours.issue('gateway')]
    const files = shown('rotated', first)
    await using gateway = await gatewayFor(url, { ca: fileOf('theirs.crt', theirs.cert), ...files })

    const underWay = gateway.call('orders.export', orders)
    await until(() => held.length === 1)
    shown('rotated', second)
    await until(async () => loads(await gateway.records()) === 2)
    expect((await gateway.call('orders.export', orders)).ended).toBe('ok')
    held[0]?.()
    expect((await underWay).ended).toBe('ok')
    expect(seen).toEqual([printOf(first), printOf(second)])

    writeFileSync(files.cert, strangers.issue('gateway').cert)
    await until(() => gateway.reported.some(({ certificate }) => certificate === 'services.orders'))
    expect((await gateway.call('orders.export', orders)).ended).toBe('ok')
    expect(seen[2]).toBe(printOf(second))
    const metrics = await gateway.started.gateway.admin.metrics()
    expect(metrics).toMatch(/sluicegate_certificate_expiry\{certificate="services\.orders"\} \d+/)
    const isAlert = ({ type, ext }: EvidenceRecord) => type === 'alert' && ext?.['rule'] === 'certificate_refused'
    await until(async () => (await gateway.records()).some(isAlert))
    server.closeAllConnections()
    server.close()
  })
})

const noOrders = '{"total":0,"orders":[]}'

const printOf = ({ cert }: Pair) => new X509Certificate(cert).fingerprint256

const loads = (records: readonly { readonly type: string; readonly ext?: Readonly<Record<string, unknown>> }[]) =>
  records.filter(({ type, ext }) => type === 'certificate.load' && ext?.['certificate'] === 'services.orders').length

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}
