import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { openTestGateway, type Seen, type TestGateway } from '../support/gateway.ts'
import { breakable, forged, logFaults, planned, stageFaults, type Breakable } from '../support/stage-faults.ts'

/* P20: a bug can deny, never allow. Each stage of the real gateway breaks in every way there is, one at a time. */

vi.mock('../../src/apps/build-stages.ts', async (original) => {
  const real = await original<typeof import('../../src/apps/build-stages.ts')>()
  const { breaking } = await import('../support/stage-faults.ts')
  const buildStages: typeof real.buildStages = (parts) => {
    const built = real.buildStages(parts)
    return { ...built, stages: breaking(built.stages) }
  }
  return { ...real, stageTimeoutMs: 2_500, buildStages }
})

vi.mock('../../src/call/handle.ts', async (original) => {
  const real = await original<typeof import('../../src/call/handle.ts')>()
  const { breakingLog } = await import('../support/stage-faults.ts')
  return { ...real, handler: (parts: Parameters<typeof real.handler>[0]) => real.handler(breakingLog(parts)) }
})

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
  await Promise.all(
    [...cases, ...idle].map(async (each) => (each.again = await write(each, randomBytes(16).toString('hex')))),
  )
  records = await gate.records()
}, 60_000)
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
