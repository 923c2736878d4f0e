import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { memoryWatches } from '../../../src/adapters/watches-memory.ts'
import type { ServiceClient, ServiceContext } from '../../../src/adapters/service-http.ts'
import { rolloutGuard, type RolloutGuard, type RolloutGuardParts } from '../../../src/apps/rollout-guard.ts'
import { guardRule } from '../../../src/config/guard-section.ts'
import type { Alert } from '../../../src/detection/alert.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import type { GuardRule, Watch } from '../../../src/limits/rollout.ts'
import { UpstreamError, type ServiceRequest, type Tool, type ToolContext } from '../../../src/ports/tool.ts'
import { flagSet } from '../../../src/tools/flag-set.ts'
import { aReceipt } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'
import { until } from '../../support/until.ts'

const rule = { ...guardRule(undefined, 'production')!, pollMs: 5, watchMs: 60_000 }

let open: RolloutGuard | undefined
afterEach(() => open?.close())

/** A guard over a flag service of a few lines. What a test passes replaces the parts. */
async function bench(more: Partial<RolloutGuardParts> = {}) {
  const service = { pct: 10, errors: 0, sees: true }
  const sent: ServiceRequest[] = []
  const entries: EvidenceEntry[] = []
  const alerts: Alert[] = []
  const steps: string[] = []
  const call = (_context: ServiceContext) => async (request: ServiceRequest) => {
    sent.push(request)
    if (request.method === 'GET' && !service.sees)
      throw new UpstreamError('upstream_unavailable', 'http_503', 'It is not there.')
    if (request.method === 'GET')
      return { status: 200, body: { rolloutPct: service.pct, requests: 1_000, errors: service.errors } }
    const previousPct = service.pct
    service.pct = (request.body as { rolloutPct: number }).rolloutPct
    const set = { name: 'x', env: 'prod', previousPct, created: false, updatedAt: '2026-01-01' }
    return { status: 200, body: { ...set, rolloutPct: service.pct } }
  }
  const client = () => call as unknown as ServiceClient
  const clock = testClock()
  const store = memoryWatches()
  const guard = await rolloutGuard({
    store,
    services: { look: client, write: client },
    rule: () => rule,
    log: { append: async (entry) => (entries.push(entry), aReceipt) },
    clock,
    meters: { rollout: (step) => void steps.push(step) },
    tell: async (alert) => void alerts.push(alert),
    digests: {
      keyed: () => ({ digest: 'd'.repeat(64), alg: 'hmac-sha256', keyId: 'k', sizeBytes: 1 }),
      plain: (_tenant, value) => JSON.stringify(value),
    },
    policyDigest: () => '',
    clean: () => true,
    random: () => 0.5,
    sleep: async (ms, signal) => after(ms, undefined, { signal }),
    span: () => ({ traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, end: () => 0 }),
    fault: () => undefined,
    ...more,
  })
  open = guard
  guard.resume()
  const set = (pct: number, tool: Tool = flagSet, name = 'x', tenant = 'acme', own: GuardRule = rule) => {
    const context = { ...aContext, tenant, service: call({} as ServiceContext) } as unknown as ToolContext
    const guarded = guard.over(() => tool, own)('flag.set') as Tool
    return guarded.invoke({ name, env: 'prod', rolloutPct: pct }, context)
  }
  const puts = () => sent.filter(({ method }) => method === 'PUT').map(({ body }) => body)
  return { guard, set, service, store: more.store ?? store, sent, puts, entries, alerts, steps, clock }
}

const call = { req: 'r', traceId: 'a'.repeat(32), spanId: 'c'.repeat(16), session: 's' }
const aContext = { call, tenant: 'acme', region: 'us-east', actor: 'agent:test' }

/** `flag.set`, which ends like this instead. */
const ending = (error: Error): Tool => ({ ...flagSet, invoke: () => Promise.reject(error) })

const left: Watch = {
  id: 'w',
  tenant: 'acme',
  region: 'us-east',
  name: 'x',
  env: 'prod',
  fromPct: 10,
  toPct: 50,
  beganMs: 0,
  endsMs: 60_000,
  confirmed: true,
  unreadable: 0,
  attempts: 0,
  call: { ...call, actor: 'agent:test' },
}

describe('the rollout guard', () => {
  it('has written down that it watches before the flag is raised', async () => {
    const { set, store } = await bench()
    let known: readonly Watch[] = []
    const tool: Tool = {
      ...flagSet,
      async invoke(args, context) {
        known = await store.list()
        return flagSet.invoke(args, context)
      },
    }
    await set(50, tool)
    expect(known).toMatchObject([{ fromPct: 10, toPct: 50, confirmed: false }])
    expect(await store.list()).toMatchObject([{ id: known[0]?.id, confirmed: true }])
  })

  it('keeps small steps of a flag that nobody watches waiting for nothing, and raises of one flag in order', async () => {
    const { set } = await bench()
    const { promise: held, resolve: go } = Promise.withResolvers<void>()
    let inside = 0
    const slow: Tool = {
      ...flagSet,
      invoke: (args, context) => (inside++, held.then(() => flagSet.invoke(args, context))),
    }
    const small = [set(1, slow), set(2, slow)]
    await until(() => inside === 2)
    inside = 0
    const raises = [set(50, slow), set(60, slow)]
    await until(() => inside > 0)
    await after(20)
    expect(inside).toBe(1)
    go()
    await Promise.all([...small, ...raises])
  })

  it('refuses a raise that it cannot write down, and nothing is set', async () => {
    const store = { ...memoryWatches(), save: () => Promise.reject(new Error('disk full')) }
    const { set, puts } = await bench({ store })
    await expect(set(50)).rejects.toMatchObject({ code: 'policy_denied' })
    expect(puts()).toEqual([])
  })

  it('watches a raise of which nobody knows whether it happened, and forgets one that did not', async () => {
    const { set, guard, store, service } = await bench()
    await expect(set(50, ending(new UpstreamError('upstream_unavailable', 'refused', '')))).rejects.toThrow()
    expect([guard.watches(), await store.list()]).toEqual([[], []])
    await expect(set(50, ending(new UpstreamError('outcome_unknown', 'timeout', '')))).rejects.toThrow()
    await after(40)
    expect(guard.watches()).toMatchObject([{ fromPct: 10, confirmed: false }])
    // It arrives late, and is bad.
    service.errors = 500
    service.pct = 50
    await until(() => service.pct === 10, 'the rollback')
  })

  it('writes nothing when its intent cannot be made durable, and does so once it can', async () => {
    let broken = false
    const append = async (entry: EvidenceEntry) => {
      if (broken && entry.type === 'call.intent') throw new Error('no log')
      return aReceipt
    }
    const { set, service, puts, alerts } = await bench({ log: { append } })
    await set(50)
    broken = true
    service.errors = 500
    await until(() => alerts.length > 0, 'an alert')
    expect([puts().length, alerts[0]?.severity]).toEqual([1, 'critical'])
    broken = false
    await until(() => service.pct === 10, 'the rollback')
  })

  it('ends a watch the moment somebody lowers the flag, and when somebody did so at the service', async () => {
    const { set, guard, service, steps } = await bench()
    await set(50)
    await set(9)
    expect(guard.watches()).toEqual([])
    await set(50)
    service.pct = 5
    await guard.settled()
    expect([steps, service.pct]).toEqual([['begun', 'lowered', 'begun', 'lowered'], 5])
  })

  it('ends a watch when the guard is switched off, and sets nothing back', async () => {
    let on = true
    const { set, guard, service, steps } = await bench({ rule: () => (on ? rule : undefined) })
    await set(50)
    on = false
    service.errors = 900
    await guard.settled()
    expect([steps.at(-1), service.pct]).toEqual(['switched off', 50])
  })

  it('ends a rollback that does not succeed when the guard is switched off', async () => {
    let on = true
    let broken = false
    const append = async (entry: EvidenceEntry) => {
      if (broken && entry.type === 'call.intent') throw new Error('no log')
      return aReceipt
    }
    const { set, guard, service, steps, alerts } = await bench({
      rule: () => (on ? rule : undefined),
      log: { append },
    })
    await set(50)
    broken = true
    service.errors = 500
    await until(() => alerts.length > 0, 'an alert')
    on = false
    await until(() => guard.watches().length === 0, 'the end of the watch')
    expect([steps.at(-1), service.pct]).toEqual(['switched off', 50])
  })

  it('leaves a flag that nobody can see where it stands, when it is told to hold, and says so once', async () => {
    const { set, guard, service, clock, steps, alerts } = await bench({ rule: () => ({ ...rule, whenBlind: 'hold' }) })
    await set(50)
    service.sees = false
    await until(() => alerts.length > 0, 'an alert')
    clock.advance(60_000)
    await guard.settled()
    expect([steps, service.pct]).toEqual([['begun', 'blind'], 50])
    expect(alerts.map(({ title }) => title)).toEqual(['Rollout cannot be seen'])
  })

  it('is closed at once though a sink is silent, and the next process finds the watch', async () => {
    const { set, service, guard, store, steps } = await bench({ tell: () => new Promise(() => undefined) })
    await set(50)
    service.sees = false
    await until(() => steps.includes('rolled back'), 'the rollback')
    service.sees = true
    await set(60)
    const kept = await store.list()
    await guard.close()
    expect(kept).toMatchObject([{ fromPct: 10, toPct: 60 }])
    expect(guard.watches()).toMatchObject([{ toPct: 60 }])
  })

  it('goes on with the newest of two watches that a crash left of one flag', async () => {
    const store = memoryWatches()
    await store.save(left)
    await store.save({ ...left, id: 'newer', toPct: 60, beganMs: 1, confirmed: false })
    const { guard } = await bench({ store })
    expect(guard.watches().map(({ id }) => id)).toEqual(['newer'])
    expect((await store.list()).map(({ id }) => id)).toEqual(['newer'])
  })

  it('looks for at least one window more after a restart, however long it was away', async () => {
    const store = memoryWatches()
    await store.save(left)
    const { guard, clock, service, steps } = await bench({ store, rule: () => ({ ...rule, windowMs: 30_000 }) })
    service.pct = 50
    clock.advance(29_000)
    await after(40)
    expect(guard.watches()).toHaveLength(1)
    clock.advance(1_000)
    await guard.settled()
    expect(steps).toEqual(['kept'])
  })

  it('is not led astray by a wall clock that somebody sets', async () => {
    const { set, guard, clock, steps } = await bench()
    await set(50)
    clock.step(10 * 24 * 3_600_000)
    await after(40)
    expect(guard.watches()).toHaveLength(1)
    clock.step(-20 * 24 * 3_600_000)
    clock.advance(60_000)
    await guard.settled()
    expect(steps).toEqual(['begun', 'kept'])
  })

  it('watches forty flags of one tenant, and the next of its raises keeps nobody else from raising', async () => {
    const { raise, guard } = await crowded()
    for (let flag = 0; flag < 40; flag++) expect(await raise(flag, 'acme')).toBe('raised')
    expect(await raise(40, 'acme')).toBe(
      'Denied: a raise above 10 % is watched, and 40 rollouts of this tenant are watched already, which is its share. Nothing was changed; try again later.',
    )
    expect(await raise(0, 'globex')).toBe('raised')
    expect(guard.watches().filter(({ tenant }) => tenant === 'acme')).toHaveLength(40)
  })

  it('goes on watching a flag that is raised further when its tenant has its share, and has room again when one was lowered', async () => {
    const { raise, set, guard } = await crowded()
    for (let flag = 0; flag < 40; flag++) await raise(flag, 'acme')
    expect(await raise(3, 'acme', 70)).toBe('raised')
    await set(5, flagSet, 'f3')
    expect(await raise(40, 'acme')).toBe('raised')
    expect(guard.watches()).toHaveLength(40)
  })

  it('watches two hundred flags of all tenants together, and no raise beyond them goes unseen', async () => {
    const { raise, guard } = await crowded()
    for (let flag = 0; flag < 200; flag++) expect(await raise(flag, `t${Math.floor(flag / 40)}`)).toBe('raised')
    expect(await raise(0, 'one-more')).toContain('too many rollouts are watched just now')
    expect(guard.watches()).toHaveLength(200)
  })

  it('counts raises that are under way: of sixty at once a tenant gets its forty', async () => {
    const { raise, guard } = await crowded()
    const ended = await Promise.all(Array.from({ length: 60 }, (_, flag) => raise(flag, 'acme')))
    expect(ended.filter((end) => end === 'raised')).toHaveLength(40)
    expect(guard.watches()).toHaveLength(40)
  })

  it('gives the place back when a raise does not happen, or cannot be written down', async () => {
    const memory = memoryWatches()
    let full = false
    const save = (watch: Watch) => (full ? Promise.reject(new Error('disk full')) : memory.save(watch))
    const { raise, set } = await crowded({ store: { ...memory, save } })
    const refused = new UpstreamError('upstream_unavailable', 'refused', '')
    const unsent = ending(refused)
    for (let flag = 0; flag < 50; flag++) await expect(set(50, unsent, `f${flag}`)).rejects.toBe(refused)
    full = true
    for (let flag = 0; flag < 50; flag++) expect(await raise(flag, 'acme')).toContain('cannot be watched')
    full = false
    expect(await raise(0, 'acme')).toBe('raised')
  })

  it('refuses a raise where a small step comes first and nobody can see whether there was one, also where unwatched raises may pass', async () => {
    const { set, service, puts } = await bench()
    const stepped = { ...rule, unwatched: 'allow', firstStep: { envs: ['prod'], heldMs: 0 } } as const
    service.sees = false
    await expect(set(50, flagSet, 'x', 'acme', stepped)).rejects.toMatchObject({
      code: 'policy_denied',
      message: expect.stringContaining('does not tell how the flag is doing') as string,
    })
    expect(puts()).toEqual([])
    await set(10, flagSet, 'x', 'acme', stepped)
    await set(50, flagSet, 'x', 'acme', { ...stepped, firstStep: { envs: ['staging'], heldMs: 0 } })
    expect(puts()).toEqual([{ rolloutPct: 10 }, { rolloutPct: 50 }])
  })

  it('pauses between two looks, whatever it is told', async () => {
    const pauses: number[] = []
    const sleep = async (ms: number, signal: AbortSignal) => {
      pauses.push(ms)
      if (pauses.length > 20) await asleep(ms, signal)
    }
    const { set } = await bench({ sleep, rule: () => ({ ...rule, pollMs: 0 }) })
    await set(50)
    await until(() => pauses.length > 20, 'twenty looks')
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(5)
  })
})

/** Sleeps until the guard closes. */
async function asleep(_ms: number, signal: AbortSignal): Promise<void> {
  await once(signal, 'abort')
  throw signal.reason
}

/** A guard that has not yet looked at anything, in front of a service in which every flag stands at 10 %. */
async function crowded(more: Partial<RolloutGuardParts> = {}) {
  const opened = await bench({ sleep: asleep, ...more })
  const raise = async (flag: number, tenant: string, pct = 50) => {
    opened.service.pct = 10
    return opened.set(pct, flagSet, `f${flag}`, tenant).then(
      () => 'raised',
      (error: Error) => error.message,
    )
  }
  return { ...opened, raise }
}
