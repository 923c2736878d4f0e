import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/ports/json.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { deniedCodeIn, modernCall, rpc } from '../support/wire.ts'

/* Nothing is answered before it is written down, nothing happens before it is written down, and what is written down says
 * nothing about anybody. */

let gate: TestGateway
let flags: Server
/** What the flags service saw on the disk, the moment a write reached it. */
const arrivals: { readonly traceId: string; readonly intended: boolean }[] = []

beforeAll(async () => {
  flags = createServer((asked, response) => {
    const traceId = String(asked.headers['traceparent']).split('-')[1] ?? ''
    arrivals.push({ traceId, intended: onDisk(traceId, 'call.intent') })
    const [, name, env] = /^\/flags\/([^/]+)\/([^/]+)$/.exec(asked.url ?? '') ?? []
    asked.resume().on('end', () => {
      const set = { name, env, rolloutPct: 5, previousPct: 0, created: true, updatedAt: '2025-09-01T00:00:00Z' }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(set))
    })
  })
  await once(flags.listen(0, '127.0.0.1'), 'listening')
  const port = (flags.address() as AddressInfo).port
  const url = `http://127.0.0.1:${port}`
  const regions = { 'us-east': url, 'eu-west': url }
  gate = await openTestGateway({
    over: {
      services: { flags: { regions }, orders: { regions }, crm: { regions } },
      egress: { allow: ['vendor.example'], hosts: { 'vendor.example': port } },
      alerts: { sinks: [{ kind: 'jsonl', path: 'alerts.jsonl' }] },
    },
  })
})
afterAll(async () => {
  await gate.close()
  flags.close()
})

/** The stored lines, as anybody would read them who came now. */
function segments(): string {
  const root = join(gate.data, 'streams')
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'))
  return files.map((name) => readFileSync(join(root, name), 'utf8')).join('')
}

function onDisk(traceId: string, ...types: string[]): boolean {
  return linesOf(traceId).some((line) => types.some((type) => line.includes(`"type":"${type}"`)))
}

const linesOf = (traceId: string) =>
  segments()
    .split('\n')
    .filter((line) => line.includes(`"traceId":"${traceId}"`))

interface Case {
  readonly title: string
  readonly tool: string
  readonly args: JsonObject
  readonly ends: string
  readonly records: readonly string[]
  readonly token?: string
}

const cases: readonly Case[] = [
  { title: 'a write', tool: 'flag.set', args: flag('dev'), ends: 'ok', records: ['call.intent', 'call.outcome'] },
  {
    title: 'something sent elsewhere',
    tool: 'web.fetchSafe',
    args: { url: 'http://vendor.example/in', body: 'hello' },
    ends: 'ok',
    records: ['call.intent', 'call.outcome'],
  },
  {
    title: 'a read that the service fails',
    tool: 'orders.export',
    args: { from: '2025-09-01', to: '2025-09-01' },
    ends: 'upstream_failed',
    records: ['call.outcome'],
  },
  {
    title: 'a denial',
    tool: 'flag.set',
    args: { ...flag('prod'), rolloutPct: 50 },
    ends: 'ticket_required',
    records: ['call.decision'],
  },
  {
    title: 'bad arguments',
    tool: 'flag.set',
    args: { name: 1 },
    ends: 'invalid_arguments',
    records: ['call.decision'],
  },
  { title: 'an unknown tool', tool: 'flag.destroy', args: {}, ends: 'unknown_tool', records: ['call.decision'] },
  {
    title: 'an attempt without a token',
    tool: 'flag.set',
    args: flag('dev'),
    ends: 'unauthenticated',
    records: ['call.decision'],
    token: 'x',
  },
]

describe('an answer', () => {
  it.each(cases)('to $title comes after its record', async ({ tool, args, ends, records, token }) => {
    const traceId = randomBytes(16).toString('hex')
    const { body, headers } = modernCall(tool, args, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` })
    const answer = await rpc(gate.mcp, token ?? gate.token(), body, headers)
    // A caller without a token has no trace that anybody believes: its attempt is the last record.
    const lines =
      token === undefined
        ? linesOf(traceId)
        : segments()
            .split('\n')
            .filter((line) => line[0] === '{')
            .slice(-1)
    expect(deniedCodeIn(answer.message) ?? 'ok').toBe(ends)
    const types = lines.map((line) => (JSON.parse(line.split('\t')[0] ?? '') as { type: string }).type)
    expect(types.filter((type) => type.startsWith('call.'))).toEqual(records)
  })

  it('holds under load: every one of many at a time finds its record', async () => {
    const many = Array.from({ length: 40 }, async (_, index) => {
      const traceId = randomBytes(16).toString('hex')
      const args = index % 2 === 0 ? flag('dev') : { ...flag('prod'), rolloutPct: 50 }
      const { body, headers } = modernCall('flag.set', args, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` })
      await rpc(gate.mcp, gate.token({ sub: `agent:load-${index}` }), body, headers)
      return onDisk(traceId, 'call.outcome', 'call.decision')
    })
    expect((await Promise.all(many)).filter((found) => !found)).toEqual([])
  })
})

it('no write and nothing sent reaches a service before its intent is on the disk', () => {
  const writes = arrivals.filter(({ traceId }) =>
    linesOf(traceId).some((line) => /"effect":"(write|egress)"/.test(line)),
  )
  expect(writes.length).toBeGreaterThan(20)
  expect(writes.filter(({ intended }) => !intended)).toEqual([])
})

describe('evidence, spans, alerts and metrics', () => {
  it('hold no argument, no result, no token and no key', async () => {
    const canary = (what: string) => `canary-${what}-${randomBytes(6).toString('hex')}`
    const idemKey = randomUUID()
    const name = canary('flag')
    const email = `${canary('mail')}@private.example`
    const token = gate.token({ sub: 'agent:release' })
    const words = [
      idemKey,
      name,
      email,
      canary('path'),
      canary('query'),
      canary('body'),
      canary('goal'),
      canary('ticket'),
      canary('field'),
    ]
    const [, , , path = '', query = '', text = '', goal = '', ticket = '', field = ''] = words
    const secret = `ghp_${'A1b2C3d4E5'.repeat(3)}F6g7H8`
    const meta = { 'io.sluicegate/plan': { id: 'plan-1', step: 1, goal } }
    const sent: readonly [string, JsonObject][] = [
      ['flag.set', { name, env: 'dev', rolloutPct: 5, idemKey }],
      ['flag.set', { name, env: 'dev', rolloutPct: 5, idemKey }],
      ['flag.set', { name, env: 'dev', rolloutPct: 6, idemKey }],
      ['flag.set', { name, env: 'prod', rolloutPct: 60, ticket, idemKey }],
      ['flag.set', { name, env: 'dev', rolloutPct: 5, [field]: email, idemKey }],
      ['web.fetchSafe', { url: `http://vendor.example/${path}?q=${query}`, body: `${text} ${email} ${secret}` }],
      ['web.fetchSafe', { url: `http://10.0.0.1/${path}?q=${query}` }],
      ['orders.export', { from: email, to: email }],
    ]
    for (const [tool, args] of sent) {
      const { body, headers } = modernCall(tool, args, meta)
      await rpc(gate.mcp, token, body, headers)
    }
    await gate.started.gateway.detector.settled()
    await gate.started.gateway.flush()
    const metrics = await gate.started.gateway.admin.metrics()
    const files = ['spans.jsonl', 'alerts.jsonl'].map((file) => read(join(gate.data, file)))
    const told = [segments(), ...files, metrics, JSON.stringify(gate.reported)].join('\n')
    expect(told).toContain('vendor.example')
    for (const word of [...words, secret, token, token.split('.')[2] ?? '', gate.adminToken, 'private.example'])
      expect([word, told.includes(word)]).toEqual([word, false])
  })

  it('hold none of the personal data that a result held', async () => {
    await using shop = await openTestGateway()
    const args = { from: '2025-09-01', to: '2025-09-02' }
    const open = await shop.call('orders.export', args, { as: { grants: ['orders.read', 'orders.read:unmasked'] } })
    await shop.call('orders.export', args)
    await shop.started.gateway.flush()
    const rows = (open.structured as { rows: readonly Record<string, string>[] }).rows
    const root = join(shop.data, 'streams')
    const logs = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'))
    const told = [...logs.map((name) => read(join(root, name))), read(join(shop.data, 'spans.jsonl'))].join('\n')
    const personal = rows.flatMap(({ email, phone, name, orderId, cardToken }) => [
      email,
      phone,
      name,
      orderId,
      cardToken,
    ])
    expect(personal.length).toBeGreaterThan(100)
    expect(personal.filter((word) => word !== undefined && told.includes(word))).toEqual([])
  })
})

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function flag(env: string): JsonObject {
  return { name: 'checkout_v2', env, rolloutPct: 5, idemKey: randomUUID() }
}
