import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { doctor, type Check, type DoctorOptions } from '../../src/apps/doctor.ts'
import { loadConfig } from '../../src/config/load.ts'
import { authority, pairFiles } from './certificates.ts'
import { openTestGateway } from './gateway.ts'
import { mint } from './tokens.ts'

/** Stands in every secret of the place; no output may hold it. */
export const canary = 'canary-doctor-55d0'

const yaml = (service: string, more = '') => `mode: development
listen: { port: 0, tls: { cert: gate.crt, key: gate.key } }
admin: { port: 0, token: 'file:admin.secret' }
auth: { issuers: [{ issuer: 'https://id.example', jwks: jwks.json, algorithms: [ES256] }] }
services:
  orders: { token: 'file:orders.secret', regions: { eu-west: '${service}', us-east: '${service}' } }
tickets: { file: tickets.yaml }
policies: [builtin, policies/]
detector: { rules: [builtin, detections/] }
alerts: { sinks: [{ kind: webhook, url: '${service}/hook', secret: 'file:hook.secret' }] }
${more}`

const ownPolicy = `- rule: own
  when: { tool: orders.export, subject.region: MOON }
  decision: deny
  reason: not from there
  examples:
    - { name: from the moon, subject: { region: MOON }, expect: policy_denied }
`

/** A healthy place to look at, and copies of it to break. */
export interface DoctorBench extends AsyncDisposable {
  /** Removed at the end. */
  readonly home: string
  /** The one service that every destination of the place is. */
  readonly url: string
  /** How far the service's clock is ahead, and what it answers. */
  readonly service: { skewMs: number; status: number }
  /** A copy: a data directory that a gateway has used, and a configuration with one of everything. */
  place(): string
  look(folder: string, more?: Partial<DoctorOptions>): Promise<readonly Check[]>
}

export async function doctorBench(): Promise<DoctorBench> {
  const home = mkdtempSync(join(tmpdir(), 'sluicegate-doctor-'))
  const said = { skewMs: 0, status: 404 }
  let copies = 0
  const service = createServer((_request, response) => {
    response.writeHead(said.status, { date: new Date(Date.now() + said.skewMs).toUTCString() }).end()
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
  await fill(join(home, 'well'), url)
  return {
    home,
    url,
    service: said,
    place() {
      const folder = join(home, `copy-${(copies += 1)}`)
      cpSync(join(home, 'well'), folder, { recursive: true, preserveTimestamps: true })
      chmodSync(join(folder, 'data'), 0o700)
      return folder
    },
    look(folder, more = {}) {
      const file = join(folder, 'sluicegate.yaml')
      const data = join(folder, 'data')
      // A bound for what hangs: a busy machine may take its time.
      const node = { environment: {}, nodeVersion: '24.21.0', clock: systemClock(), timeoutMs: 120_000 }
      return doctor({ loaded: loadConfig(file), file, data, ...node, ...more })
    },
    async [Symbol.asyncDispose]() {
      service.closeAllConnections()
      service.close()
      rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function fill(folder: string, url: string): Promise<void> {
  const data = join(folder, 'data')
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const gate = await openTestGateway({ data })
  await gate.call('orders.export', { from: '2025-09-01', to: '2025-09-01' })
  await gate.close()
  for (const name of ['admin', 'orders', 'hook'])
    writeFileSync(join(folder, `${name}.secret`), `${canary}-${name}`, { mode: 0o600 })
  const { publicKey, kid, alg } = mint('ES256', 'k1')
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid, alg }]
  writeFileSync(join(folder, 'jwks.json'), JSON.stringify({ keys }))
  pairFiles(folder, authority('test authority').issue('127.0.0.1'))
  writeFileSync(join(folder, 'tickets.yaml'), '[]')
  mkdirSync(join(folder, 'policies'))
  writeFileSync(join(folder, 'policies', 'own.yaml'), ownPolicy)
  mkdirSync(join(folder, 'detections'))
  cpSync(join(import.meta.dirname, '../../detections/loop_arrest.yml'), join(folder, 'detections', 'own.yml'))
  const own = readFileSync(join(folder, 'detections', 'own.yml'), 'utf8')
  writeFileSync(
    join(folder, 'detections', 'own.yml'),
    own.replaceAll('loop_arrest', 'own_arrest').replace('2c7a4a0a', '3c7a4a0a'),
  )
  writeFileSync(join(folder, 'sluicegate.yaml'), yaml(url))
}

/** The names of the looks that ended in a state. */
export const namesOf = (checks: readonly Check[], state: Check['state']): readonly string[] =>
  checks.filter((one) => one.state === state).map(({ name }) => name)
