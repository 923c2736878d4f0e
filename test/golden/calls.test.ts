import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { surface } from '../../src/call/surface.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import { allGrants, openTestGateway, type Caller, type TestGateway } from '../support/gateway.ts'

/*
 * What agents read and what evidence keeps, field by field. A difference here is a change that people notice who script
 * against it: look at it, and if it is meant, run `vitest run test/golden/calls.test.ts -u`.
 */

let gate: TestGateway
let vendor: Server
beforeAll(async () => {
  vendor = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-type': 'text/plain' }).end('received'))
  })
  await once(vendor.listen(0, '127.0.0.1'), 'listening')
  const port = (vendor.address() as AddressInfo).port
  gate = await openTestGateway({
    over: {
      egress: { allow: ['vendor.example'], hosts: { 'vendor.example': port } },
      principals: [
        { principal: 'agent:hasty', limits: { rpm: 60, burst: 1 } },
        { principal: 'agent:poor', limits: { daily_cost_usd: 0.0005 } },
        { principal: 'agent:deep', stop_rules: { max_plan_depth: 2 } },
        { principal: 'agent:stubborn', stop_rules: { max_retries: 0 } },
      ],
    },
  })
})
afterAll(async () => {
  await gate.close()
  vendor.close()
})

interface Told {
  readonly title: string
  readonly tool: string
  readonly args: JsonObject
  readonly as?: Caller
  /** Calls made before, whose answers are of no interest. */
  readonly after?: readonly JsonObject[]
  readonly depth?: number
}

const flag = { name: 'golden', env: 'staging', rolloutPct: 10 } as const
const key = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const day = { from: '2025-09-01', to: '2025-09-01' }

const told: readonly Told[] = [
  { title: 'a write', tool: 'flag.set', args: { ...flag, idemKey: key(1) } },
  { title: 'the same again', tool: 'flag.set', args: { ...flag, idemKey: key(1) } },
  { title: 'the key with another body', tool: 'flag.set', args: { ...flag, rolloutPct: 11, idemKey: key(1) } },
  { title: 'a write without a key', tool: 'flag.set', args: flag },
  { title: 'a risky change', tool: 'flag.set', args: { ...flag, env: 'prod', rolloutPct: 50, idemKey: key(2) } },
  { title: 'an unknown field', tool: 'flag.set', args: { ...flag, evil: 'oops', idemKey: key(2) } },
  { title: 'several things wrong', tool: 'flag.set', args: { name: '', env: 'moon', rolloutPct: 'all', more: 1 } },
  {
    title: 'a missing scope',
    tool: 'flag.set',
    args: { ...flag, idemKey: key(2) },
    as: { grants: ['flags.write:dev'] },
  },
  { title: 'an unknown tool', tool: 'flag.drop', args: {} },
  {
    title: 'a bulk update that touches more than it says',
    tool: 'crm.bulk_update',
    args: { segment: 'trial', set: { status: 'active' }, count: 1, idemKey: key(4) },
  },
  {
    title: 'a bulk update',
    tool: 'crm.bulk_update',
    args: { segment: 'trial', set: { status: 'active' }, count: 1000, idemKey: key(3) },
  },
  { title: 'a page', tool: 'web.fetchSafe', args: { url: 'http://vendor.example/status' } },
  { title: 'a post', tool: 'web.fetchSafe', args: { url: 'http://vendor.example/in', body: 'hello' } },
  { title: 'an inside address', tool: 'web.fetchSafe', args: { url: 'http://169.254.169.254/latest/' } },
  { title: 'a domain nobody listed', tool: 'web.fetchSafe', args: { url: 'http://vendor-of-nobody.com/' } },
  { title: 'data of another region', tool: 'orders.export', args: day, as: { tenant: 'globex', region: 'US' } },
  { title: 'too fast', tool: 'orders.export', args: day, as: { sub: 'agent:hasty' }, after: [day] },
  { title: 'too expensive', tool: 'orders.export', args: day, as: { sub: 'agent:poor' } },
  { title: 'too deep', tool: 'orders.export', args: day, as: { sub: 'agent:deep' }, depth: 3 },
  {
    title: 'again and again without success',
    tool: 'orders.export',
    args: { to: '' },
    as: { sub: 'agent:stubborn' },
    after: [{ to: '' }],
  },
]

/** Everything that differs between two runs, by name. */
function steady(text: string): JsonObject {
  const fixed = text
    .replace(/"(resetMs|retryAfterMs)":[0-9.]+/g, '"$1":"<ms>"')
    .replace(/Wait [0-9.]+ s/g, 'Wait <n> s')
    .replace(/20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:.]+Z/g, '<time>')
  return JSON.parse(fixed) as JsonObject
}

describe('replies', () => {
  it('read as they always did, over both transports', async () => {
    const replies: Record<string, JsonObject> = {}
    for (const { title, tool, args, as = {}, after = [], depth } of told) {
      const plan = depth === undefined ? {} : { id: 'plan', depth }
      const who = { sid: title.replaceAll(' ', '-'), ...as }
      for (const earlier of after) await gate.call(tool, earlier, { as: who, plan })
      const { settled } = await gate.call(tool, args, { as: who, plan })
      const [http, stdio] = [surface(settled.outcome, 'http'), surface(settled.outcome, 'stdio')].map((shown) =>
        steady(JSON.stringify(shown)),
      )
      replies[title] =
        JSON.stringify(http) === JSON.stringify(stdio)
          ? { reply: http ?? {} }
          : { http: http ?? {}, stdio: stdio ?? {} }
    }
    await expect(`${JSON.stringify(replies, null, 2)}\n`).toMatchFileSnapshot('calls/replies.json.txt')
  })

  it('list the tools as they always did', async () => {
    const caller = { tenant: 'acme', subject: 'agent:release', actor: { id: 'agent:release' } }
    const who = { ...caller, scopes: allGrants, rights: allGrants } as never
    const tools = gate.started.gateway.service.tools(who)
    await expect(`${JSON.stringify(tools, null, 2)}\n`).toMatchFileSnapshot('calls/tools.json.txt')
  })
})

describe('records', () => {
  it('of a write, a read, an egress and a denial hold these fields and no others', async () => {
    const grants = ['orders.read', 'flags.write:staging', 'web.fetch', 'web.post']
    const as = { sub: 'agent:golden', sid: 'golden', tenant: 'initech', grants }
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const plan = { id: 'plan-1', step: 1, depth: 1, retry: 0 }
    const more = { as, plan, traceparent, client: 'golden/1', requestId: '7' }
    await gate.call('flag.set', { ...flag, idemKey: key(9) }, more)
    await gate.call('orders.export', day, more)
    await gate.call('web.fetchSafe', { url: 'http://vendor.example/in', body: 'hello' }, more)
    await gate.call('flag.set', { ...flag, env: 'prod', rolloutPct: 50 }, more)
    const records = (await gate.records()).filter(({ actor, type }) => actor?.id === as.sub && type.startsWith('call.'))
    const shown = records.map((record) => shapeOf(record as unknown as JsonObject))
    await expect(`${JSON.stringify(shown, null, 2)}\n`).toMatchFileSnapshot('calls/records.json.txt')
  })
})

const volatile =
  /^(stream|seq|prev|tsMs|wallMs|monoNs|boot|spanId|req|callId|session|jti|digest|keyId|keyDigest|bundleDigest|argsHash|argsSimhash|resultHash|intentSeq|us|ip)$/

/** A record with everything that differs between two runs replaced by its kind. */
function shapeOf(value: JsonObject): JsonObject {
  // Where checkpoints fall depends on what is written at the same time.
  const parts = Object.entries(value).filter(([name]) => name !== 'cp')
  const entries = parts.map(([name, part]) => {
    if (volatile.test(name))
      return [
        name,
        `<${
          typeof part === 'object'
            ? Object.keys(part as object)
                .sort()
                .join(' ')
            : typeof part
        }>`,
      ]
    if (typeof part === 'object' && part !== null && !Array.isArray(part)) return [name, shapeOf(part as JsonObject)]
    return [name, part]
  })
  return Object.fromEntries(entries) as JsonObject
}
