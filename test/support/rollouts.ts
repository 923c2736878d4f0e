import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Alert } from '../../src/detection/alert.ts'
import type { Faults } from '../../src/demo/service/faults.ts'
import type { Traffic } from '../../src/demo/service/traffic.ts'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { aService, get, serviceToken } from './demo-services.ts'
import { openTestGateway, type Seen, type TestGateway } from './gateway.ts'

/** A flag service that outlives the gateway, a pager, and a gateway that watches rollouts several times a second. */
export interface Bench extends AsyncDisposable {
  readonly gate: TestGateway
  readonly data: string
  /** What the service does wrong; changed at any time. */
  readonly faults: Faults
  readonly traffic: Traffic
  /** What the guard had on-call told. */
  readonly pages: readonly Alert[]
  set(name: string, rolloutPct: number, more?: { env?: string; as?: object }): Promise<Seen>
  /** Where the service has the flag. */
  pctOf(name: string): Promise<number>
  /** Writes that reached the service for a flag, oldest first. */
  writes(name: string): readonly { readonly operationId?: string }[]
  records(type: string): Promise<readonly EvidenceRecord[]>
  /** Closes the gateway, and opens the next one on the same data. */
  restart(guard?: object): Promise<void>
  /** Closes the gateway; `start` opens the next one. */
  stop(): Promise<void>
  start(guard?: object): Promise<void>
}

const quick = { pollSeconds: 0.05, watchSeconds: 60, windowSeconds: 1, unreadableMax: 4 }

/** Opens it all. `express` is the flag whose new code fails for 60 % of the requests once more than 10 % see it. */
export async function rollouts(guard: object = {}): Promise<Bench> {
  const data = mkdtempSync(join(tmpdir(), 'sluicegate-rollout-'))
  const faults: Faults = {}
  const traffic: Traffic = {
    requestsPerS: 2_000,
    errorRate: 0.002,
    broken: { express: { abovePct: 10, errorRate: 0.6 } },
  }
  const service = await aService('us-east', { faults, traffic, nowMs: () => Date.now() })
  writeFileSync(join(data, 'flags.token'), serviceToken, { mode: 0o600 })
  const pages: Alert[] = []
  const pager = createServer((request, response) => {
    const page = async () => {
      const { data: alert } = JSON.parse(await textOf(request)) as { data: Alert }
      if (alert.rule === 'rollout_guard') pages.push(alert)
      response.writeHead(204).end()
    }
    void page()
  })
  await once(pager.listen(0, '127.0.0.1'), 'listening')
  const flags = { regions: { 'us-east': service.url }, token: `file:${join(data, 'flags.token')}` }
  const over = (more: object) => ({
    services: { flags },
    alerts: { sinks: [{ kind: 'webhook', url: `http://127.0.0.1:${(pager.address() as AddressInfo).port}/` }] },
    tools: { 'flag.set': { guard: { ...quick, ...guard, ...more } } },
    principals: [{ principal: 'agent:release', limits: { rpm: 100_000, burst: 100_000, concurrency: 1_000 } }],
  })
  const open = (more: object = {}) => openTestGateway({ data, over: over(more) })
  let gate = await open()
  return {
    get gate() {
      return gate
    },
    data,
    faults,
    traffic,
    pages,
    set: (name, rolloutPct, { env = 'staging', as = {} } = {}) =>
      gate.call('flag.set', { name, env, rolloutPct, idemKey: randomUUID() }, { as }),
    async pctOf(name) {
      const body = (await (await get(service, `/flags/${name}/staging/health`, 'acme')).json()) as object
      return (body as { rolloutPct: number }).rolloutPct
    },
    writes: (name) =>
      service.requests().filter(({ method, path }) => method === 'PUT' && path === `/flags/${name}/staging`),
    records: async (type) => (await gate.records()).filter((record) => record.type === type),
    async restart(more) {
      await gate.close()
      gate = await open(more)
    },
    stop: () => gate.close(),
    async start(more) {
      gate = await open(more)
    },
    async [Symbol.asyncDispose]() {
      await gate.close()
      await service.close()
      pager.closeAllConnections()
      pager.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}
