import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientKinds, connect, refusal, type ClientKind, type Door, type SdkClient } from '../support/clients.ts'
import { issue, issuerOf, openTestGateway, type TestGateway } from '../support/gateway.ts'

const program = resolve(import.meta.dirname, '../../bin/sluicegate.mjs')
const everyTool = ['orders.export', 'flag.set', 'web.fetchSafe', 'crm.bulk_update']

let gate: TestGateway
const places: string[] = []
const clients = new Map<string, SdkClient>()

const hasty = { principal: 'agent:hasty', limits: { rpm: 1, burst: 1 } }
const http = (token: string): Door => ({ kind: 'http', url: gate.mcp, token })

beforeAll(async () => {
  gate = await openTestGateway({ over: { principals: [hasty] } })
  await Promise.all(
    clientKinds.flatMap((kind) => [
      connect(kind, http(gate.token())).then((client) => clients.set(`${kind} http`, client)),
      stdio().then(async (door) => clients.set(`${kind} stdio`, await connect(kind, door))),
    ]),
  )
})
afterAll(async () => {
  await Promise.all([...clients.values()].map((client) => client[Symbol.asyncDispose]()))
  await gate.close()
  for (const place of places) rmSync(place, { recursive: true, force: true })
})

/** A server process of its own, for an agent that shows a token. */
async function stdio(): Promise<Door> {
  const data = mkdtempSync(join(tmpdir(), 'sluicegate-interop-'))
  places.push(data)
  const file = join(data, 'agent.token')
  writeFileSync(file, issue(await issuerOf(data), {}), { mode: 0o600 })
  const args = [program, 'serve', '--stdio', '--data', data, '--token-file', file]
  return { kind: 'stdio', command: process.execPath, args }
}

const doors = clientKinds.flatMap((kind) => (['http', 'stdio'] as const).map((door) => ({ kind, door })))

describe.each(doors)('the $kind SDK client over $door', ({ kind, door }) => {
  const client = () => clients.get(`${kind} ${door}`) as SdkClient

  it('agrees on its revision', () => {
    expect(client().server).toBe('sluicegate')
    if (client().protocol !== undefined)
      expect(client().protocol).toBe(kind === 'v2 modern' ? '2026-07-28' : '2025-11-25')
  })

  it('lists the tools, in their fixed order', async () => {
    expect((await client().list()).map(({ name }) => name)).toEqual(everyTool)
  })

  it('calls a tool and gets text and structure of the same masked object', async () => {
    const got = await client().call('orders.export', { from: '2025-09-01', to: '2025-09-01' })
    expect(got.ok).toBe(true)
    expect(JSON.parse(got.text)).toEqual(got.structured)
    expect(got.structured).toMatchObject({ range: { from: '2025-09-01', to: '2025-09-01' } })
    expect(got.text).not.toMatch(/[a-z0-9]@[a-z0-9]/i)
  })

  it('writes once for one key', async () => {
    const args = { name: `interop_${randomUUID().slice(0, 8)}`, env: 'dev', rolloutPct: 5, idemKey: randomUUID() }
    const [first, second] = [await client().call('flag.set', args), await client().call('flag.set', args)]
    expect(first.text).toBe(`Flag ${args.name} is at 5 % in dev; it was at 0 %.`)
    expect(second.text).toBe(`OK (idempotent): ${first.text}`)
  })

  it('reads a denial as a tool error with a reason', async () => {
    const got = await client().call('flag.set', { name: 'f', env: 'prod', rolloutPct: 50, idemKey: randomUUID() })
    expect(got).toMatchObject({ ok: false, structured: { denied: { code: 'ticket_required', field: 'ticket' } } })
    expect(got.text).toMatch(/^DENY ticket_required: Denied: /)
    expect(got.thrown).toBeUndefined()
  })

  it('is told which field it does not know', async () => {
    const got = await client().call('flag.set', {
      name: 'f',
      env: 'dev',
      rolloutPct: 5,
      evil: 1,
      idemKey: randomUUID(),
    })
    expect(got).toMatchObject({ ok: false, structured: { denied: { code: 'invalid_arguments', field: 'evil' } } })
    expect(got.text).toMatch(/unknown field evil/i)
  })

  it('gets -32602 for an unknown tool', async () => {
    const got = await client().call('orders.destroy', {})
    expect(got.thrown).toMatchObject({ code: -32602, data: { denied: { code: 'unknown_tool' } } })
  })
})

describe.each(clientKinds)('the %s SDK client over http', (kind: ClientKind) => {
  it('sees only the tools its grants open', async () => {
    await using client = await connect(kind, http(gate.token({ grants: ['crm.write', 'orders.read'] })))
    expect((await client.list()).map(({ name }) => name)).toEqual(['orders.export', 'crm.bulk_update'])
    await using nobody = await connect(kind, http(gate.token({ grants: ['nothing.at.all'] })))
    expect(await nobody.list()).toEqual([])
  })

  it('is turned away with 401 when its token is not valid', async () => {
    const got = await refusal(kind, http('not.a.token'))
    expect(got.ok).toBe(false)
    expect(`${got.thrown?.name} ${got.thrown?.code} ${got.thrown?.status} ${got.text}`).toMatch(/Unauthorized|401/)
  })

  it('is told which scope it lacks, with 403', async () => {
    await using client = await connect(kind, http(gate.token({ grants: ['flags.write:dev'] })))
    const got = await client.call('flag.set', { name: 'f', env: 'staging', rolloutPct: 5, idemKey: randomUUID() })
    expect(got.ok).toBe(false)
    expect(`${got.thrown?.name} ${got.thrown?.code} ${got.thrown?.status} ${got.text}`).toMatch(/InsufficientScope|403/)
    expect(`${got.text} ${JSON.stringify(got.thrown)}`).toMatch(/flags\.write:staging/)
  })

  it('is told to wait, with 429', async () => {
    await using client = await connect(kind, http(gate.token({ sub: 'agent:hasty', tenant: tenantOf(kind) })))
    const args = { from: '2025-09-01', to: '2025-09-01' }
    expect((await client.call('orders.export', args)).ok).toBe(true)
    const got = await client.call('orders.export', { ...args, to: '2025-09-02' })
    expect(`${got.thrown?.code} ${got.thrown?.status} ${got.text}`).toMatch(/429/)
    expect(`${got.text} ${JSON.stringify(got.thrown)}`).toMatch(/rate_limited/)
  })
})

/** Limits count per tenant and principal, so each client has a tenant of its own. */
const tenantOf = (kind: ClientKind) => ({ 'v2 modern': 'acme', 'v2 legacy': 'globex', v1: 'initech' })[kind]
