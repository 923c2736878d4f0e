import { randomBytes, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/adapters/clock-system.ts'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { connection } from '../../src/server/connection.ts'
import { listenHttp } from '../../src/server/http.ts'
import { openTestGateway, type Seen, type TestGateway } from '../support/gateway.ts'
import {
  breakable,
  forged,
  identityFaults,
  logFaults,
  planned,
  settleFaults,
  stageFaults,
  unsettled,
  type Breakable,
} from '../support/stage-faults.ts'
import { initialize, legacyCall, modern, modernCall, rpc } from '../support/wire.ts'

/* P20: a bug can deny, never allow. Each stage of the real gateway breaks in every way there is, one at a time. */

vi.mock('../../src/apps/build-stages.ts', async (original) => {
  const real = await original<typeof import('../../src/apps/build-stages.ts')>()
  const { breaking } = await import('../support/stage-faults.ts')
  const buildStages: typeof real.buildStages = (parts) => {
    const built = real.buildStages(parts)
    stageNames.push(...Object.keys(built.stages))
    return { ...built, stages: breaking(built.stages) }
  }
  return { ...real, stageTimeoutMs: 8_000, buildStages }
})

vi.mock('../../src/call/handle.ts', async (original) => {
  const real = await original<typeof import('../../src/call/handle.ts')>()
  const { breakingLog, unsettling } = await import('../support/stage-faults.ts')
  type Parts = Parameters<typeof real.handler>[0]
  return { ...real, handler: (parts: Parts) => real.handler(unsettling(breakingLog(parts))) }
})

/** The stages of the gateway as it is built. */
const stageNames = vi.hoisted((): string[] => [])

interface Case {
  readonly at: Breakable
  readonly how: string
  readonly fault: () => unknown
  readonly traceId: string
  readonly idemKey: string
  saw?: Seen
  again?: Seen
}

const cases: readonly Case[] = breakable.flatMap((at) =>
  Object.entries(faultsOf(at)).map(([how, fault]) => one(at, how, fault)),
)
/** A verdict that is well formed and empty: a stage that did not do its work. */
const idle = breakable
  .filter((at) => at !== 'record' && at !== 'halt')
  .map((at) => one(at, 'passes having done nothing', () => ({ kind: 'pass', learned: {} })))

let gate: TestGateway
let records: readonly EvidenceRecord[]

beforeAll(async () => {
  gate = await openTestGateway()
  for (const { traceId, at, fault } of [...cases, ...idle]) planned.set(traceId, { at, fault })
  await Promise.all([...cases, ...idle].map(async (each) => (each.saw = await write(each))))
  planned.clear()
  // No more at one time than the service has places for: here nothing may be refused for want of one.
  const left = [...cases, ...idle]
  for (let some = left.splice(0, 16); some.length > 0; some = left.splice(0, 16))
    await Promise.all(some.map(async (each) => (each.again = await write(each, randomBytes(16).toString('hex')))))
  records = await gate.records()
})
afterAll(() => gate.close())

const traces = (each: Case) => records.filter(({ traceId }) => traceId === each.traceId)
const endings = (each: Case) => traces(each).filter(({ type }) => type === 'call.decision' || type === 'call.outcome')
const effects = (each: Case) => gate.requests().filter(({ traceparent }) => traceparent?.includes(each.traceId))
const before = (at: Breakable, other: Breakable) => breakable.indexOf(at) < breakable.indexOf(other)

describe.each(breakable.map((at) => ({ at })))('a call whose $at is broken', ({ at }) => {
  it.each(cases.filter((each) => each.at === at))('and $how is denied and recorded', (each) => {
    const { saw, again } = each as Required<Case>
    expect(saw.ended).toBe('internal')
    expect(saw.wire).toMatch(/Quote [0-9a-f-]{36}/)
    expect(saw.wire).not.toMatch(/boom|hunter2|TypeError|StageTimeout|NotAVerdict|Flag/)

    // What cannot be written down is not answered; everything else is written down once.
    expect(endings(each).map(({ decision }) => decision?.reasonCode)).toEqual(at === 'record' ? [] : ['internal'])
    expect(saw.settled.receipt === undefined).toBe(at === 'record')

    // Until `invoke` has run nothing outside has changed; from `commit` on the intent says what may have.
    expect(effects(each)).toHaveLength(before(at, 'redact') ? 0 : 1)
    expect(traces(each).filter(({ type }) => type === 'call.intent')).toHaveLength(before(at, 'invoke') ? 0 : 1)
    expect(again.ended).toBe(before(at, 'invoke') ? 'ok' : 'outcome_unknown')
  })
})

it('a broken authenticate makes nobody somebody', () => {
  const anonymous = cases.filter(({ at }) => at === 'authenticate').flatMap(endings)
  expect(anonymous).toHaveLength(Object.keys(faultsOf('authenticate')).length)
  for (const { actor, tenant, session, grants } of anonymous)
    expect([actor, tenant, session, grants]).toEqual([undefined, undefined, undefined, undefined])
})

describe('a stage that passes without having done its work', () => {
  it.each(idle)('is found out: $at', (each) => {
    expect(each.saw?.ended).toMatch(/^(internal|output_withheld)$/)
    expect(endings(each)).toHaveLength(1)
    expect(effects(each)).toHaveLength(each.at === 'redact' ? 1 : 0)
  })
})

it('operators learn the cause of each', () => {
  const told = gate.reported.filter(({ code }) => code === 'internal').map(({ cause }) => cause)
  expect(told.length).toBeGreaterThanOrEqual(cases.length)
  expect(told.filter((cause) => cause === 'StageTimeout')).toHaveLength(breakable.length - 1)
})

it('covers every stage there is, in the order they stand', () => {
  expect(breakable).toEqual([...stageNames, 'record'])
})

describe('a key that cannot be settled', () => {
  it.each(Object.entries(settleFaults))(
    'because settling %s stays claimed, and nothing runs twice',
    async (_how, fault) => {
      const each = one('record', '', fault)
      unsettled.set(each.traceId, fault)
      const first = await write(each)
      unsettled.delete(each.traceId)
      expect(first.ended).toBe('ok')
      const again = await write(each, randomBytes(16).toString('hex'))
      expect(again.ended).toBe('idempotency_conflict')
      expect(effects(each)).toHaveLength(1)
    },
  )
})

describe('an edge that is told nonsense of a caller', () => {
  const sent: readonly (readonly [string, { readonly body: object; readonly headers?: Record<string, string> }])[] = [
    ['a call', modernCall('flag.set', { name: 'edge', env: 'staging', rolloutPct: 5, idemKey: randomUUID() })],
    ['a list', modern('tools/list')],
    ['a call of the 2025 revisions', { body: legacyCall('orders.export', { from: '2025-08-01', to: '2025-08-01' }) }],
    ['a handshake', { body: initialize }],
  ]
  const asked = (['prove', 'identify'] as const).flatMap((which) =>
    Object.entries(identityFaults).map(([how, fault]) => ({ which, how, fault })),
  )

  it.each(asked)('makes nobody somebody: $which $how', async ({ which, fault }) => {
    const faults: unknown[] = []
    const { service } = gate.started.gateway
    const broken = { ...service, [which]: fault } as typeof service
    const http = await listenHttp({
      service: broken,
      host: '127.0.0.1',
      port: 0,
      authorizationServers: [],
      scopes: [],
      clock: systemClock(),
      fault: (error) => faults.push(error),
      identityTimeoutMs: 100,
    })
    const before = (await gate.records()).length
    const requests = gate.requests().length
    for (const [, { body, headers }] of sent) {
      const { status, message, text } = await rpc(http.url, gate.token(), body, headers)
      expect([status, message.result]).toEqual([503, undefined])
      expect(text).not.toMatch(/boom|hunter2|TypeError/)
    }
    await http.close()
    expect(gate.requests()).toHaveLength(requests)
    const recorded = (await gate.records()).slice(before)
    expect(recorded.map(({ actor, tenant, decision }) => [actor, tenant, decision?.reasonCode])).toEqual(
      sent.map(() => [undefined, undefined, 'internal']),
    )
    expect(faults).toHaveLength(sent.length)
  })

  it.each(Object.entries(identityFaults))('opens no stdio connection for nobody: %s', async (_how, fault) => {
    const { service } = gate.started.gateway
    const shows = () => ({ kind: 'bearer', token: gate.token() }) as const
    const broken = { ...service, identify: fault } as typeof service
    await expect(connection({ service: broken, shows, fault: () => undefined, timeoutMs: 100 })).rejects.toThrow(
      'is not valid',
    )
  })
})

/**
 * In the pipeline a caught error may end in a denial, in a failure, or in the next line of a record. Nothing caught may
 * lead on: no `catch` there lets a call pass or makes up what it should know.
 */
describe('a catch in the pipeline', () => {
  const files = readdirSync(new URL('../../src/call', import.meta.url)).filter((name) => name.endsWith('.ts'))
  const caught = files.flatMap((name) => {
    const text = readFileSync(new URL(`../../src/call/${name}`, import.meta.url), 'utf8')
    return [...text.matchAll(/\bcatch\b *(?:\([^)]*\) *)?\{|\.catch\(/g)].map(({ index }) => ({
      name,
      line: text.slice(0, index).split('\n').length,
      body: blockAt(text, index),
    }))
  })

  it('is found where there is one', () => {
    expect(caught.length).toBeGreaterThanOrEqual(7)
  })

  it.each(caught)('denies: $name:$line', ({ body }) => {
    expect(body).not.toMatch(
      /\bpass\(|kind: 'pass'|kind: 'ok'|kind: 'answer'|effect: 'allow'|return (true|undefined|null)\b|return$/m,
    )
    expect(body).toMatch(/\bthrow\b|kind: '(fail|refuse)'|withheld\(|unrecorded\(|broken\(|parts\.fault\(/)
  })
})

/** The block that opens after this place, braces and all. */
function blockAt(text: string, from: number): string {
  const open = text.indexOf('{', from)
  let depth = 0
  for (let at = open; at < text.length; at++) {
    if (text[at] === '{') depth += 1
    if (text[at] === '}') depth -= 1
    if (depth === 0) return text.slice(open, at + 1)
  }
  return text.slice(open)
}

function faultsOf(at: Breakable): Readonly<Record<string, () => unknown>> {
  if (at === 'record') return logFaults
  return at === 'deduplicate' ? stageFaults : { ...stageFaults, 'answers as if this were a repeat': forged }
}

function one(at: Breakable, how: string, fault: () => unknown): Case {
  return { at, how, fault, traceId: randomBytes(16).toString('hex'), idemKey: randomUUID() }
}

/** Each case is an agent of its own, so that no limit comes in between. */
function write({ traceId, idemKey }: Case, trace = traceId): Promise<Seen> {
  const args = { name: 'stage_faults', env: 'staging', rolloutPct: 10, idemKey }
  const as = { sub: `agent:${traceId}`, grants: ['flags.write:staging'] }
  return gate.call('flag.set', args, { as, traceparent: `00-${trace}-00f067aa0ba902b7-01` })
}
