import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { memoryState } from '../../src/adapters/state-memory.ts'
import { sqliteState } from '../../src/adapters/state-sqlite.ts'
import { deduplicate } from '../../src/call/deduplicate.ts'
import type { Outcome } from '../../src/call/outcome.ts'
import type { StateStore } from '../../src/ports/state-store.ts'
import { UpstreamError, type Effect, type Tool } from '../../src/ports/tool.ts'
import { builtInTools } from '../../src/tools/built-in.ts'
import { defineTool } from '../../src/tools/define.ts'
import { idemKey } from '../../src/tools/fields.ts'
import { aTool, ready } from '../support/calls.ts'
import { testClock } from '../support/clock.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'

interface Paid {
  readonly to: string
  readonly cents: number
  readonly idemKey?: string
}

const Paid: z.ZodType<Paid> = z.strictObject({ to: z.string(), cents: z.int(), idemKey: idemKey.exactOptional() })

/** A tool of somebody's own that moves money, and the times it did. */
function payment(name: string, effect: Effect = 'write') {
  const made: string[] = []
  const does = { before: async () => undefined as unknown }
  const tool = defineTool<Paid>({
    name,
    title: 'Pay',
    description: 'Pays somebody.',
    args: Paid,
    effect,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    costUsd: 0,
    visibleWith: ['pay'],
    scopes: () => ['pay'],
    examples: [],
    async invoke({ to, cents }) {
      made.push(`${to} ${cents}`)
      await does.before()
      return { content: [{ type: 'text', text: `paid ${made.length}` }] }
    },
  })
  return { tool, made, does }
}

let gate: TestGateway | undefined
afterEach(() => gate?.close())

async function open(...tools: readonly Tool[]): Promise<TestGateway> {
  const allowed = tools.map(({ definition }) => definition.name)
  const rule = { rule: 'allow-pay', when: { tool: allowed }, decision: 'allow' }
  const policies = tools.length === 0 ? ['builtin'] : ['builtin', rule]
  const principals = [{ principal: 'agent:release', stop_rules: { max_retries: 1_000 } }]
  gate = await openTestGateway({ tools, over: { policies, principals } })
  return gate
}

const as = { grants: ['pay', 'orders.read', 'flags.write:dev', 'crm.write'] }
const pay = { to: 'ana', cents: 5 }

describe('a tool that changes something', () => {
  it.each(['write', 'destructive'] as const)('is not run without a key: one of our own, effect %s', async (effect) => {
    const { tool, made } = payment('pay.out', effect)
    const { call } = await open(tool)
    const saw = await call('pay.out', pay, { as })
    expect([saw.ended, saw.structured]).toMatchObject([
      'idempotency_key_required',
      { denied: { code: 'idempotency_key_required', field: 'idemKey' } },
    ])
    for (const key of ['1', 'not-a-uuid', '', `${randomUUID()} `]) {
      expect((await call('pay.out', { ...pay, idemKey: key }, { as })).ended).toBe('invalid_arguments')
    }
    expect(made).toEqual([])
    const taken = await call('pay.out', { ...pay, idemKey: randomUUID() }, { as })
    expect([taken.ended, made]).toEqual(['ok', ['ana 5']])
  })

  it('is not run without a key: each of the built-in ones', async () => {
    const { call, requests } = await open()
    const changing = builtInTools.filter(({ effect }) => effect === 'write' || effect === 'destructive')
    expect(changing.map(({ definition }) => definition.name)).toEqual(['flag.set', 'crm.bulk_update'])
    const args = { 'flag.set': { name: 'x', env: 'dev', rolloutPct: 5 }, 'crm.bulk_update': bulk } as const
    for (const { definition, needsIdemKey } of changing) {
      expect(needsIdemKey).toBe(true)
      expect(definition.inputSchema['required']).toContain('idemKey')
      const saw = await call(definition.name, args[definition.name as keyof typeof args], { as })
      expect(saw.ended).toBe('idempotency_key_required')
    }
    expect(requests().filter(({ method }) => method !== 'GET')).toEqual([])
  })

  it('cannot be made, nor offered, when it takes no key', async () => {
    const keyless = () =>
      defineTool({ ...specOf(z.strictObject({ to: z.string() })), name: 'pay.keyless', effect: 'write' })
    expect(keyless).toThrow('pay.keyless changes something, so its arguments need')
    const anyText = z.strictObject({ idemKey: z.string() })
    expect(() => defineTool({ ...specOf(anyText), name: 'pay.text', effect: 'destructive' })).toThrow('a UUID')
    const made = { ...payment('pay.out').tool, needsIdemKey: false }
    await expect(open(made)).rejects.toThrow('pay.out changes something and takes no idemKey')
  })

  it('runs once for calls that come while the first is still at work, and each of them gets its answer', async () => {
    const { tool, made, does } = payment('pay.out')
    const { call } = await open(tool)
    const { promise: held, resolve: go } = Promise.withResolvers<void>()
    does.before = () => held
    const args = { ...pay, idemKey: randomUUID() }
    const first = call('pay.out', args, { as: { ...as, sid: 'one' } })
    while (made.length === 0) await new Promise((next) => setImmediate(next))
    const others = await Promise.all(Array.from({ length: 20 }, () => call('pay.out', args, { as })))
    expect(others.map(({ ended }) => ended)).toEqual(others.map(() => 'idempotency_conflict'))
    expect(others[0]?.structured).toMatchObject({ denied: { retryAfterMs: 1000 } })
    go()
    const [one, again] = [await first, await call('pay.out', args, { as })]
    expect([one.text, again.text, made]).toEqual(['paid 1', 'OK (idempotent): paid 1', ['ana 5']])
  })

  it.each([
    ['broke', new Error('a bug of the tool'), 'internal'],
    ['was not answered', new UpstreamError('outcome_unknown', 'timeout', ''), 'outcome_unknown'],
  ])(
    'is not run again under the key of a call that %s halfway: nobody knows what it did',
    async (_how, error, code) => {
      const { tool, made, does } = payment('pay.out')
      const { call } = await open(tool)
      does.before = () => Promise.reject(error)
      const args = { ...pay, idemKey: randomUUID() }
      expect((await call('pay.out', args, { as })).ended).toBe(code)
      does.before = async () => undefined
      const again = await Promise.all(Array.from({ length: 5 }, () => call('pay.out', args, { as })))
      expect(again.map(({ ended }) => ended)).toEqual(again.map(() => 'outcome_unknown'))
      expect(made).toEqual(['ana 5'])
      // Who has looked takes a new key.
      expect((await call('pay.out', { ...pay, idemKey: randomUUID() }, { as })).ended).toBe('ok')
    },
  )

  it('gives the key back when the other end says that nothing happened', async () => {
    const { tool, does } = payment('pay.out')
    const { call } = await open(tool)
    does.before = () => Promise.reject(new UpstreamError('upstream_unavailable', 'refused', ''))
    const args = { ...pay, idemKey: randomUUID() }
    expect((await call('pay.out', args, { as })).ended).toBe('upstream_unavailable')
    does.before = async () => undefined
    expect((await call('pay.out', args, { as })).text).toBe('paid 2')
  })

  it('keeps a key to one tool, one tenant and one body', async () => {
    const [out, back] = [payment('pay.out'), payment('pay.back')]
    const { call } = await open(out.tool, back.tool)
    const args = { ...pay, idemKey: randomUUID() }
    await call('pay.out', args, { as })
    expect((await call('pay.back', args, { as })).ended).toBe('ok')
    expect((await call('pay.out', args, { as: { ...as, tenant: 'globex' } })).ended).toBe('ok')
    expect((await call('pay.out', { ...args, cents: 6 }, { as })).ended).toBe('idempotency_conflict')
    expect((await call('pay.out', { ...args, idemKey: args.idemKey.toUpperCase() }, { as })).text).toMatch(/^OK \(idem/)
    expect([out.made, back.made]).toEqual([['ana 5', 'ana 5'], ['ana 5']])
  })
})

const bulk = { segment: 'trial', set: { status: 'active' }, count: 1000 }

function specOf(args: z.ZodType<object>) {
  const { definition } = payment('pay.out').tool
  const { annotations, title, description } = definition
  const rest = { visibleWith: ['pay'], scopes: () => ['pay'], examples: [], costUsd: 0 }
  return { ...rest, annotations, title, description, args, invoke: async () => ({}) }
}

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-day-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const stores: Readonly<Record<string, (entriesMax?: number) => StateStore>> = {
  memory: (entriesMax) => memoryState({ ...(entriesMax !== undefined && { entriesMax }) }),
  sqlite: (entriesMax) =>
    sqliteState({ file: join(folder, `${randomUUID()}.db`), ...(entriesMax !== undefined && { entriesMax }) }),
}

const write = aTool({ effect: 'write', needsIdemKey: true })
const done: Outcome = { kind: 'ok', answer: { content: [{ type: 'text', text: 'done' }], isError: false } }

/** The stage over a store, on a clock that moves when told. */
function onClock(state: StateStore) {
  const clock = testClock()
  const digest = (tenant: string, value: unknown) => JSON.stringify([tenant, value])
  const { stage, settle } = deduplicate({ state, clock, digest })
  const claim = async (key: string) => {
    const { idem: _idem, ...call } = ready(write, { args: { idemKey: key } })
    const verdict = await stage(call)
    return { verdict, call: { ...call, ...('learned' in verdict && verdict.learned) } }
  }
  return { clock, settle, claim }
}

describe.each(Object.entries(stores))('a decision, kept in %s', (_name, store) => {
  it('is repeated for 24 hours to the millisecond, and forgotten then', async () => {
    const { clock, settle, claim } = onClock(store())
    await settle((await claim('k')).call, done)
    clock.advance(24 * 3_600_000 - 1)
    expect((await claim('k')).verdict.kind).toBe('answer')
    clock.advance(1)
    expect((await claim('k')).verdict.kind).toBe('pass')
  })

  it('of which nobody knows how it ended blocks its key for longer than that', async () => {
    const { clock, settle, claim } = onClock(store())
    const first = await claim('k')
    const lost: Outcome = { kind: 'failed', refusal: { denied: { code: 'outcome_unknown', message: '' } } }
    await settle({ ...first.call, intent: ready(write).intent! }, lost)
    clock.advance(7 * 24 * 3_600_000)
    expect((await claim('k')).verdict).toMatchObject({ refusal: { denied: { code: 'outcome_unknown' } } })
  })

  it('has room, or is refused: nothing that is kept makes place for it', async () => {
    const { clock, settle, claim } = onClock(store(2))
    for (const key of ['a', 'b']) await settle((await claim(key)).call, done)
    const { verdict } = await claim('c')
    expect(verdict).toMatchObject({ kind: 'refuse', refusal: { denied: { code: 'internal', retryAfterMs: 60_000 } } })
    expect((await claim('a')).verdict.kind).toBe('answer')
    clock.advance(24 * 3_600_000)
    expect((await claim('c')).verdict.kind).toBe('pass')
  })
})
