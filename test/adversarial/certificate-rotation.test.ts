import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { authority, pairFiles, type Pair } from '../support/certificates.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { modernCall } from '../support/wire.ts'

const rotations = Number(process.env['SLUICEGATE_ROTATIONS'] ?? 10)
const workers = 3

const directory = mkdtempSync(join(tmpdir(), 'sluicegate-rotation-'))
const ours = authority('ours')
const other = authority('other')
const agents = authority('agents')
const agent = agents.issue('agent')

let gateway: TestGateway
let token: string
beforeAll(async () => {
  const issuedBy = join(directory, 'ours.crt')
  const ca = join(directory, 'agents.crt')
  writeFileSync(issuedBy, ours.cert)
  writeFileSync(ca, agents.cert)
  gateway = await openTestGateway({
    listen: {
      tls: {
        ...pairFiles(directory, ours.issue('gate')),
        ca,
        issuedBy,
        clientCert: 'require',
        minVersion: '1.3',
        rotationDays: 90,
      },
    },
    certificatesEveryMs: 10,
    over: {
      principals: [{ principal: 'agent:release', limits: { rpm: 1_000_000, burst: 1_000_000, concurrency: 1_000 } }],
      detector: { stages: { default: 'off' } },
    },
  })
  token = gateway.token()
})
afterAll(async () => {
  await gateway.close()
  rmSync(directory, { recursive: true, force: true })
})

interface Got {
  readonly status: number
  readonly socket: TLSSocket
  /** Of the certificate the gateway showed. */
  readonly shown: string
}

/** One call over TLS as an agent would make it. Rejects when the handshake or the connection fails. */
function call(connections: Agent | false = false): Promise<Got> {
  const { body, headers } = modernCall('orders.export', { from: '2025-09-01', to: '2025-09-01' })
  const all = {
    ...headers,
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', agent: connections, headers: all, ca: ours.cert, ...agent }
    const sent = request(gateway.mcp, options, (response) => {
      const socket = response.socket as TLSSocket
      const shown = socket.getPeerCertificate().fingerprint256
      response.resume().on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, socket, shown }))
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}

const printOf = ({ cert }: Pair) => new X509Certificate(cert).fingerprint256

/** Agents that call, each time over a connection of its own, until they are told to stop. */
function startLoad() {
  const failed: string[] = []
  let count = 0
  const stop = new AbortController()
  const work = async () => {
    while (!stop.signal.aborted) {
      const ended = await call().then(({ status }) => (status === 200 ? '' : String(status)), String)
      if (ended !== '') failed.push(ended)
      count += 1
    }
  }
  const ended = Promise.all(Array.from({ length: workers }, work))
  return {
    async stop() {
      stop.abort()
      await ended
      return { failed, count }
    },
  }
}

const refusals = () =>
  gateway.reported.filter(({ certificate, level }) => certificate === 'listen' && level === 'error')

/** Each spoils the files in its way. */
const bad: readonly (() => void)[] = [
  () => writeFileSync(join(directory, 'gate.crt'), ours.issue('gate').cert),
  () => void pairFiles(directory, ours.issue('gate', { fromDays: -9, toDays: -1 })),
  () => void pairFiles(directory, other.issue('gate')),
  () => truncateSync(join(directory, 'gate.crt'), 300),
]

it(
  `certificates change ${rotations} times under load, and no handshake or call fails; a bad one is refused and told, the old one kept`,
  async () => {
    const load = startLoad()
    for (let round = 0; round < rotations; round += 1) {
      const held = new Agent({ keepAlive: true, maxSockets: 1 })
      const before = await call(held)
      const next = ours.issue('gate')
      // One file after the other, as tools do that renew certificates.
      writeFileSync(join(directory, 'gate.crt'), next.cert)
      await after(round % 3)
      writeFileSync(join(directory, 'gate.key'), next.key)
      await until(async () => (await call()).shown === printOf(next))
      const later = await call(held)
      expect([later.socket === before.socket, later.shown === before.shown]).toEqual([true, true])
      held.destroy()

      const known = refusals().length
      bad[round % bad.length]?.()
      await until(() => refusals().length > known)
      expect((await call()).shown).toBe(printOf(next))
    }
    const { failed, count } = await load.stop()
    expect(failed).toEqual([])
    expect(count).toBeGreaterThan(rotations)

    const of = async (type: string) => (await gateway.records()).filter((record) => record.type === type).length
    // A renewal may be caught between its two files: then that was refused as well, and the whole pair taken in after it.
    await until(async () => (await of('certificate.refused')) === refusals().length)
    expect(await of('certificate.load')).toBe(rotations + 1)
    expect(refusals().length).toBeGreaterThanOrEqual(rotations)
    const metrics = await gateway.started.gateway.admin.metrics()
    expect(metrics).toContain(
      `sluicegate_certificates_total{certificate="listen",result="refused"} ${refusals().length}`,
    )
    expect(gateway.started.gateway.admin.problems()).toEqual([])
  },
  180_000 + rotations * 10_000,
)
