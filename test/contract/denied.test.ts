import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { advice } from '../../src/call/advice.ts'
import { deniedSchema } from '../../src/call/denied.ts'
import { codes, type Code, type Denied } from '../../src/call/outcome.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import { adviceBench, newKey, type AdviceBench } from '../support/advice.ts'
import type { Caller, Seen } from '../support/gateway.ts'

let bench: AdviceBench
beforeAll(async () => void (bench = await adviceBench()))
afterAll(() => bench[Symbol.asyncDispose]())

/** What gets a call refused; and what somebody who reads the denial, and nothing else, then does about it. */
interface Case {
  readonly refused: () => Promise<Seen>
  readonly follow: (denied: Denied, seen: Seen) => Promise<Seen>
}

const day = { from: '2025-09-01', to: '2025-09-01' }
const flag = { name: 'advised', env: 'staging', rolloutPct: 10 }
const page = { url: 'http://vendor.example/status' }
/** The same caller throughout a case: one principal, one session. */
const who = (sub: string, more: Caller = {}): Caller => ({ sub, sid: sub, ...more })

const waited = async (denied: Denied, again: () => Promise<Seen>) => {
  const { retryAfterMs = 0 } = denied
  expect(retryAfterMs).toBeGreaterThan(0)
  bench.wait(retryAfterMs)
  return again()
}

/** An operator engages a switch; the case is over when the operator lets go. */
function stopped(kind: string, target: () => string | Promise<string>, call: () => Promise<Seen>): Case {
  let release: () => Promise<unknown>
  return {
    async refused() {
      release = await bench.engage(kind, await target())
      return call()
    },
    async follow() {
      await release()
      return call()
    },
  }
}

async function sessionOf(as: Caller): Promise<string> {
  await bench.call('orders.export', day, as)
  const seen = (await bench.gate.records()).findLast(({ actor }) => actor?.id === as.sub)
  return seen?.session ?? ''
}

const again =
  (tool: string, args: JsonObject, as: Caller, more = {}) =>
  () =>
    bench.call(tool, args, as, more)

const asks: { release?: () => Promise<unknown> } = {}
const busy: { first?: Promise<Seen>; letGo?: () => void } = {}

const cases: Readonly<Record<Code, Case>> = {
  unauthenticated: {
    refused: again('orders.export', day, {}, { credential: { kind: 'none' } }),
    follow: again('orders.export', day, who('agent:new')),
  },
  token_replayed: {
    async refused() {
      const token = bench.gate.token(who('agent:careless'))
      const shownBy = (certThumb: string) =>
        bench.call('orders.export', day, {}, { credential: { kind: 'bearer', token, binding: { certThumb } } })
      expect((await shownBy('owner')).ended).toBe('ok')
      return shownBy('finder')
    },
    follow() {
      const token = bench.gate.token(who('agent:careless'))
      const credential = { kind: 'bearer', token, binding: { certThumb: 'finder' } }
      return bench.call('orders.export', day, {}, { credential })
    },
  },
  scope_missing: {
    refused: again('flag.set', { ...flag, idemKey: newKey() }, who('agent:small', { grants: ['orders.read'] })),
    follow: ({ elevate }) =>
      bench.call('flag.set', { ...flag, idemKey: newKey() }, who('agent:small', { grants: elevate?.scopes ?? [] })),
  },
  policy_denied: {
    refused: again('web.fetchSafe', { url: 'http://vendor-of-nobody.com/' }, who('agent:browser')),
    follow: again('web.fetchSafe', page, who('agent:browser')),
  },
  ticket_required: {
    refused: again('flag.set', { ...flag, env: 'prod', rolloutPct: 50, idemKey: newKey() }, who('agent:risky')),
    follow({ elevate }) {
      bench.approve('CHG-7', 'agent:risky', 'flag.set')
      const ticket = { [elevate?.field ?? '']: 'CHG-7' }
      const args = { ...flag, env: 'prod', rolloutPct: 50, idemKey: newKey(), ...ticket }
      return bench.call('flag.set', args, who('agent:risky'))
    },
  },
  approval_required: {
    async refused() {
      asks.release = await bench.engage('approval', 'all')
      return bench.call('flag.set', { ...flag, idemKey: newKey() }, who('agent:asks'))
    },
    async follow(denied) {
      await bench.gate.started.gateway.grants.approve(denied.elevate?.request ?? '', { by: 'user:ana' })
      const seen = await waited(denied, again('flag.set', { ...flag, idemKey: newKey() }, who('agent:asks')))
      await asks.release?.()
      return seen
    },
  },
  invalid_arguments: {
    refused: again('flag.set', { ...flag, rolloutPct: 101, idemKey: newKey() }, who('agent:clumsy')),
    follow: ({ field }) =>
      bench.call('flag.set', { ...flag, idemKey: newKey(), [field ?? '']: 10 }, who('agent:clumsy')),
  },
  unknown_tool: {
    refused: again('flag.drop', {}, who('agent:guesser')),
    async follow() {
      const identity = await bench.gate.started.gateway.service.identify({
        transport: 'http',
        credential: { kind: 'bearer', token: bench.gate.token() },
      })
      const listed = identity.ok ? bench.gate.started.gateway.service.tools(identity.who) : []
      const tool = listed.find(({ name }) => name === 'orders.export')
      return bench.call(tool?.name ?? '', day, who('agent:guesser'))
    },
  },
  quarantined: stopped('tool', () => 'test.fragile', again('test.fragile', {}, who('agent:user'))),
  read_only: stopped(
    'read-only',
    () => 'all',
    async () => {
      expect((await bench.call('orders.export', day, who('agent:writer'))).ended).toBe('ok')
      return bench.call('flag.set', { ...flag, idemKey: newKey() }, who('agent:writer'))
    },
  ),
  session_killed: stopped(
    'session',
    () => sessionOf(who('agent:stopped')),
    again('orders.export', { from: '2025-09-03', to: '2025-09-03' }, who('agent:stopped')),
  ),
  tenant_halted: stopped('tenant', () => 'initech', again('orders.export', day, who('agent:i', { tenant: 'initech' }))),
  egress_denied: {
    async refused() {
      await bench.engage('egress', 'other.example')
      return bench.call('web.fetchSafe', { url: 'http://other.example/' }, who('agent:surfer'))
    },
    follow: again('web.fetchSafe', page, who('agent:surfer')),
  },
  region_unavailable: {
    refused: again('orders.export', day, who('agent:far', { tenant: 'globex', region: 'US' })),
    follow: again('orders.export', day, who('agent:far', { tenant: 'globex', region: 'EU' })),
  },
  rate_limited: {
    async refused() {
      await bench.call('orders.export', day, who('agent:hasty'))
      return bench.call('orders.export', day, who('agent:hasty'))
    },
    follow: (denied) => waited(denied, again('orders.export', day, who('agent:hasty'))),
  },
  concurrency_limited: {
    async refused() {
      const asked = bench.holdVendor()
      busy.first = bench.call('web.fetchSafe', page, who('agent:busy'))
      busy.letGo = await asked
      return bench.call('orders.export', day, who('agent:busy'))
    },
    async follow(denied) {
      busy.letGo?.()
      await busy.first
      return waited(denied, again('orders.export', day, who('agent:busy')))
    },
  },
  budget_exhausted: {
    async refused() {
      await bench.call('orders.export', day, who('agent:poor'))
      return bench.call('orders.export', day, who('agent:poor'))
    },
    follow: (denied) => waited(denied, again('orders.export', day, who('agent:poor'))),
  },
  loop_stopped: {
    async refused() {
      await bench.call('orders.export', { to: '' }, who('agent:stubborn'))
      return bench.call('orders.export', { to: '' }, who('agent:stubborn'))
    },
    async follow(denied) {
      expect((await bench.call('orders.export', day, who('agent:stubborn'))).ended).toBe('ok')
      // Let rest, the same call is judged for itself again: this one is wrong and is told so.
      const rested = await waited(denied, again('orders.export', { to: '' }, who('agent:stubborn')))
      expect(rested.ended).toBe('invalid_arguments')
      return bench.call('orders.export', day, who('agent:stubborn'))
    },
  },
  plan_too_deep: {
    refused: again('orders.export', day, who('agent:deep'), { plan: { id: 'old', depth: 3 } }),
    follow: again('orders.export', day, who('agent:deep'), { plan: { id: 'new', depth: 1 } }),
  },
  idempotency_key_required: {
    refused: again('flag.set', flag, who('agent:keyless')),
    follow: ({ field }) => bench.call('flag.set', { ...flag, [field ?? '']: newKey() }, who('agent:keyless')),
  },
  idempotency_conflict: {
    async refused() {
      const idemKey = newKey()
      await bench.call('flag.set', { ...flag, idemKey }, who('agent:keyed'))
      return bench.call('flag.set', { ...flag, rolloutPct: 11, idemKey }, who('agent:keyed'))
    },
    follow: ({ field }) =>
      bench.call('flag.set', { ...flag, rolloutPct: 11, [field ?? '']: newKey() }, who('agent:keyed')),
  },
  outcome_unknown: {
    refused() {
      bench.faults.dropAfterNext = 1
      return bench.call('flag.set', { ...flag, name: 'doubted', idemKey: newKey() }, who('agent:doubt'))
    },
    async follow() {
      const looked = await bench.call('flag.set', { ...flag, name: 'doubted', idemKey: newKey() }, who('agent:doubt'))
      expect(looked.structured).toMatchObject({ previousPct: 10, created: false })
      return looked
    },
  },
  output_withheld: {
    refused() {
      bench.broken.how = 'unfit'
      return bench.call('test.fragile', {}, who('agent:fragile'))
    },
    follow() {
      delete bench.broken.how
      return bench.call('test.fragile', {}, who('agent:fragile'))
    },
  },
  upstream_unavailable: {
    async refused() {
      bench.faults.failNext = 1_000
      await bench.call('orders.export', day, who('agent:patient'))
      const before = bench.faults.failNext
      const seen = await bench.call('orders.export', { ...day, to: '2025-09-02' }, who('agent:patient'))
      // The fifth failure in a row opened the breaker: the sixth attempt was not sent.
      expect(before - bench.faults.failNext).toBe(2)
      return seen
    },
    follow(denied) {
      bench.faults.failNext = 0
      return waited(denied, again('orders.export', day, who('agent:patient')))
    },
  },
  upstream_failed: {
    refused() {
      Object.assign(bench.faults, { failNext: 1, failStatus: 500 })
      return bench.call('orders.export', day, who('agent:unlucky'))
    },
    follow: again('orders.export', day, who('agent:unlucky')),
  },
  internal: {
    refused() {
      bench.broken.how = 'throws'
      return bench.call('test.fragile', {}, who('agent:quoting'))
    },
    async follow({ message }) {
      const [, id] = /Quote ([\w-]+)\./.exec(message) ?? []
      expect(bench.gate.reported.some(({ call, cause }) => call === id && cause === 'TypeError')).toBe(true)
      delete bench.broken.how
      return bench.call('test.fragile', {}, who('agent:quoting'))
    },
  },
}

const published = new Ajv2020({ strict: false }).compile(
  JSON.parse(readFileSync(new URL('../../docs/denied.schema.json', import.meta.url), 'utf8')) as object,
)
const deniedOf = ({ structured }: Seen) => structured?.['denied'] as unknown as Denied

const table = codes.map((code) => [code, advice[code].by, cases[code]] as const)

describe('whoever follows the advice of a denial succeeds', () => {
  it.each(table)('%s (%s)', async (code, _by, { refused, follow }) => {
    const seen = await refused()
    const denied = deniedOf(seen)
    expect([seen.ended, seen.text]).toEqual([code, `DENY ${code}: ${denied.message}`])
    expect([published(denied), published.errors]).toEqual([true, null])
    expect((await follow(denied, seen)).ended).toBe('ok')
  })
})

describe('the schema of denials', () => {
  it('is published as the code has it', async () => {
    await expect(`${JSON.stringify(deniedSchema, null, 2)}\n`).toMatchFileSnapshot('../../docs/denied.schema.json')
  })

  it('is served beside the endpoint, and exported', async () => {
    const answer = await fetch(new URL('/schemas/denied.json', bench.gate.mcp))
    expect([answer.status, await answer.json()]).toEqual([200, deniedSchema])
    const packed = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      readonly exports: Readonly<Record<string, unknown>>
      readonly files: readonly string[]
    }
    expect(packed.exports['./denied.schema.json']).toBe('./docs/denied.schema.json')
    expect(packed.files).toContain('docs/denied.schema.json')
  })

  it('refuses what is no denial', () => {
    expect(published({ code: 'policy_denied', message: 'Denied.' })).toBe(true)
    for (const wrong of [
      {},
      { code: 'policy_denied' },
      { code: 'other', message: '' },
      { code: 'internal', message: 1 },
    ])
      expect([wrong, published(wrong)]).toEqual([wrong, false])
  })

  it('is explained code by code in docs/denials.md', () => {
    const page = readFileSync(new URL('../../docs/denials.md', import.meta.url), 'utf8').replace(/ +/g, ' ')
    const missing = codes.filter((code) => !page.includes(`| \`${code}\` | ${advice[code].by} | ${advice[code].how} |`))
    expect(missing).toEqual([])
  })
})
