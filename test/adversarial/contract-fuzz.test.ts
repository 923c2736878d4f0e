import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isJsonObject, type Json, type JsonObject } from '../../src/ports/json.ts'
import { builtInTools } from '../../src/tools/built-in.ts'
import { listenBehind, sectionsTo, type Arrived, type Behind } from '../support/behind.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { brokenFor, validFor, type Narrower } from '../support/schema-arbitrary.ts'
import { modernCall, rpc, type Message } from '../support/wire.ts'

const seed = Number(process.env['SLUICEGATE_SEED'] ?? Date.now() % 1_000_000)
const numRuns = Number(process.env['SLUICEGATE_RUNS'] ?? 60)

/** What a schema cannot say: days that follow each other, a URL, a set that is not empty. */
const narrower: Readonly<Record<string, Narrower>> = {
  'orders.export': { from: dayOf(0), to: dayOf(60) },
  'web.fetchSafe': {
    url: fc
      .webUrl({ withQueryParameters: true })
      .map((url) => `http://partner.example/${url.split('/').slice(3).join('/')}`),
    body: fc.string({ maxLength: 300 }).filter((text) => text.isWellFormed()),
  },
  'crm.bulk_update': {
    set: fc
      .record(
        {
          status: fc.constantFrom('active', 'paused', 'archived'),
          tier: fc.constantFrom('free', 'standard', 'premium'),
          marketingOptIn: fc.boolean(),
        },
        { requiredKeys: [], noNullPrototype: true },
      )
      .filter((set) => Object.keys(set).length > 0),
  },
}

/** Refusals of a call that was understood: policy asks for more, or has seen personal data. */
const policy = ['ticket_required', 'policy_denied', 'approval_required']

function dayOf(offset: number): fc.Arbitrary<Json> {
  return fc
    .integer({ min: 0, max: 30 })
    .map((day) => new Date(Date.UTC(2025, 0, 1 + offset + day)).toISOString().slice(0, 10))
}

let behind: Behind
let gateway: TestGateway
beforeAll(async () => {
  behind = await listenBehind()
  const limits = { rpm: 1_000_000, burst: 1_000_000, concurrency: 64 }
  const principals = [{ principal: 'agent:release', limits, stop_rules: { max_retries: 1_000_000 } }]
  const detector = { stages: { default: 'off' } }
  gateway = await openTestGateway({ over: { ...sectionsTo(behind), principals, detector } })
  process.stdout.write(`contract-fuzz: SLUICEGATE_SEED=${seed}\n`)
})
afterAll(async () => {
  await gateway.close()
  behind.close()
})

/** Sends a call through the whole gate. Gives how it ended, the field that was named, and what reached a service. */
async function through(tool: string, args: JsonObject) {
  behind.take()
  const { body, headers } = modernCall(tool, args)
  const { status, message } = await rpc(gateway.mcp, gateway.token(), body, headers)
  return { status, ...endOf(message), arrived: behind.take() }
}

function endOf({ result, error }: Message): { readonly ended: string; readonly field?: string } {
  const denied = (result?.structuredContent ?? error?.data)?.['denied'] as { code: string; field?: string } | undefined
  if (error && !denied) return { ended: String(error.code) }
  return denied ? { ended: denied.code, ...(denied.field !== undefined && { field: denied.field }) } : { ended: 'ok' }
}

const changes = ({ method }: Arrived): boolean => method !== 'GET'

/** What of the arguments is meant for the gateway, not for the service. */
const ours = ['idemKey', 'ticket', 'mask']

/** Every value in arguments that is meant for a service. */
function valuesIn(value: Json, name = ''): readonly Json[] {
  if (ours.includes(name)) return []
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap((one) => valuesIn(one))
  if (isJsonObject(value)) return Object.entries(value).flatMap(([field, one]) => valuesIn(one, field))
  return [value]
}

/** Whether one of the requests carries each value as it was given. */
function carries(arrived: readonly Arrived[], args: JsonObject): boolean {
  return valuesIn(args).every((value) => arrived.some((request) => carriesOne(request, value)))
}

function carriesOne({ where, body, raw }: Arrived, value: Json): boolean {
  if (body === value) return true
  const inBody = /^[[{]/.test(body) && valuesIn(parsed(body)).some((one) => Object.is(one, value))
  const url = typeof value === 'string' ? URL.parse(value) : null
  if (url?.hostname === 'partner.example') return raw.startsWith(`${url.pathname}${url.search}\n`)
  return inBody || where.includes(String(value))
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return null
  }
}

describe.each(builtInTools.map((tool) => [tool.definition.name, tool] as const))('the contract of %s', (name, tool) => {
  const schema = tool.definition.inputSchema
  const narrow = narrower[name] ?? {}

  it('holds: what fits its schema reaches the service unchanged, unless policy says no', async () => {
    const ends = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(validFor(schema, narrow), async (args) => {
        const { status, ended, arrived } = await through(name, args as JsonObject)
        ends.set(ended, (ends.get(ended) ?? 0) + 1)
        expect(status).toBeLessThan(500)
        if (ended === 'ok') expect([carries(arrived, args as JsonObject), arrived]).toEqual([true, arrived])
        else expect([policy.includes(ended), ended, arrived.filter(changes)]).toEqual([true, ended, []])
      }),
      { seed, numRuns },
    )
    expect(ends.get('ok') ?? 0).toBeGreaterThan(numRuns / 20)
  })

  it('holds: what does not fit is refused by the name of its field, and never reaches a service', async () => {
    await fc.assert(
      fc.asyncProperty(brokenFor(schema, narrow), async ({ args, field, how }) => {
        const { ended, field: named, arrived } = await through(name, args)
        // A missing key is refused by the stage that needs it, after policy has spoken.
        const missingKey = field === 'idemKey' && how === 'left out'
        const codes = missingKey ? ['idempotency_key_required', ...policy] : ['invalid_arguments']
        expect([how, codes.includes(ended), ended]).toEqual([how, true, ended])
        if (!missingKey) expect([how, named?.split('.')[0]]).toEqual([how, field])
        expect(arrived.filter((request) => !missingKey || changes(request))).toEqual([])
      }),
      { seed, numRuns },
    )
  })
})
