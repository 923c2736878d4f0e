import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/apps/verify.ts'
import type { Faults } from '../../src/demo/service/faults.ts'
import type { Traffic } from '../../src/demo/service/traffic.ts'
import { aService, get, serviceToken } from '../support/demo-services.ts'
import { issue, issuerOf, recordsIn } from '../support/gateway.ts'
import { killableGateways } from '../support/gateway-kills.ts'
import { until } from '../support/until.ts'
import { modernCall } from '../support/wire.ts'

const data = mkdtempSync(join(tmpdir(), 'sluicegate-rollout-kill-'))
const faults: Faults = {}
const traffic: Traffic = { requestsPerS: 2_000, errorRate: 0.002, broken: {} }
let service: Awaited<ReturnType<typeof aService>>
let token: string

beforeAll(async () => {
  service = await aService('us-east', { faults, traffic, nowMs: () => Date.now() })
  token = issue(await issuerOf(data), {})
  writeFileSync(join(data, 'flags.token'), serviceToken, { mode: 0o600 })
  writeFileSync(join(data, 'sluicegate.yaml'), configuration(service.url))
})
afterAll(async () => {
  await service.close()
  rmSync(data, { recursive: true, force: true })
})

it('a raise that was under way when the gateway was killed is watched by the next one, and set back by it', async () => {
  await using gateways = killableGateways(['--config', join(data, 'sluicegate.yaml'), '--data', data])
  const first = gateways.next()
  const mcp = await first.open()
  await set(mcp, 'watched', 10)
  await set(mcp, 'watched', 50)
  await set(mcp, 'midway', 10)
  // The service does it, and is still at its answer when the gateway dies.
  const answer = held()
  const raised = set(mcp, 'midway', 50).catch(() => 'lost')
  await until(async () => (await pctOf('midway')) === 50, 'the raise')
  await first.kill()
  answer.go()
  expect(await raised).toBe('lost')

  traffic.errorRate = 0.9
  const next = gateways.next()
  await next.open()
  await until(async () => (await pctOf('watched')) === 10, 'the first flag to be set back')
  await until(async () => (await pctOf('midway')) === 10, 'the second flag to be set back')
  await until(async () => (await backs()).length === 2, 'both to be on record')
  expect(await next.stop()).toBe(0)
  expect(await verifyEvidence({ path: data })).toMatchObject({ exitCode: 0, problems: [] })
})

/** Keeps back the answers to raises, once they were done, until told to go on. */
function held(): { readonly go: () => void } {
  faults.slowAfter = (request) => (request.startsWith('PUT') ? gone : undefined)
  const { promise: gone, resolve: go } = Promise.withResolvers<void>()
  return {
    go: () => {
      delete faults.slowAfter
      go()
    },
  }
}

async function backs() {
  const records = await recordsIn(data)
  return records.filter(({ type, ext }) => type === 'rollout.watch' && ext?.['step'] === 'rolled back')
}

async function pctOf(name: string): Promise<number> {
  const body = (await (await get(service, `/flags/${name}/staging/health`, 'acme')).json()) as object
  return (body as { rolloutPct: number }).rolloutPct
}

async function set(mcp: string, name: string, rolloutPct: number): Promise<string> {
  const { body, headers } = modernCall('flag.set', { name, env: 'staging', rolloutPct, idemKey: randomUUID() }, {})
  const all = { ...headers, authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const accept = 'application/json, text/event-stream'
  const reply = await fetch(mcp, { method: 'POST', headers: { ...all, accept }, body: JSON.stringify(body) })
  return reply.text()
}

function configuration(url: string): string {
  return `
mode: development
listen: { port: 0 }
admin: { port: 0 }
auth: { tenants: { acme: { home: US } }, regions: { US: us-east } }
services: { flags: { regions: { us-east: '${url}' }, token: 'file:flags.token' } }
tools: { flag.set: { guard: { pollSeconds: 0.1, watchSeconds: 20, windowSeconds: 1 } } }
alerts: { sinks: [] }
`
}
