import { describe, expect, it } from 'vitest'
import { outgoingGate, type GateSight, type Passage } from '../../../src/adapters/outgoing-gate.ts'
import type { Ending } from '../../../src/limits/breaker.ts'
import { defaultGuard, type Guard } from '../../../src/limits/guard.ts'
import type { UpstreamError } from '../../../src/ports/tool.ts'
import { testClock } from '../../support/clock.ts'

const small: Guard = { ...defaultGuard, concurrency: 2, queue: { max: 2, waitMs: 1_000 } }

function bench(sight: Partial<GateSight> = {}) {
  const clock = testClock()
  const timers: { readonly ring: () => void; readonly signal: AbortSignal }[] = []
  const sleep = (_ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      timers.push({ ring: resolve, signal })
      signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
    })
  const gate = outgoingGate({ clock, random: () => 0, sleep, sight })
  const passage = (more: Partial<Passage> = {}): Passage => ({
    target: 'orders/us-east',
    guard: small,
    tenant: 'acme',
    signal: new AbortController().signal,
    first: true,
    ...more,
  })
  let sent = 0
  const call = (ending: Ending = 'ok', more: Partial<Passage> = {}) =>
    gate.pass(
      passage(more),
      async () => void (sent += 1),
      () => ending,
    )
  /** A call that stays inside until it is let go. */
  const stay = (more: Partial<Passage> = {}) => {
    const held = Promise.withResolvers<void>()
    const done = gate.pass(
      passage(more),
      async () => {
        sent += 1
        await held.promise
      },
      () => 'ok' as const,
    )
    return { leave: held.resolve, done }
  }
  return { clock, gate, timers, call, stay, passage, sent: () => sent }
}

const refusalOf = (call: Promise<unknown>) =>
  call.then(
    () => 'passed',
    (error: UpstreamError) => error,
  )

describe('the gate before a service', () => {
  it('sends nothing while the breaker is open, and says when it will', async () => {
    const { call, sent, clock } = bench()
    for (let count = 0; count < 5; count += 1) await call('failed')
    const refused = await refusalOf(call())
    expect(refused).toMatchObject({ code: 'upstream_unavailable', failure: 'breaker_open', retryAfterMs: 1_000 })
    expect(sent()).toBe(5)
    clock.advance(1_000)
    await call()
    expect(sent()).toBe(6)
  })

  it('keeps one target apart from another, and one region of a service from the next', async () => {
    const { call, gate } = bench()
    for (let count = 0; count < 5; count += 1) await call('failed')
    for (const target of ['orders/eu-west', 'flags/us-east']) expect(await call('ok', { target })).toBeUndefined()
    expect(gate.breakers()).toEqual({ 'orders/us-east': 'open', 'orders/eu-west': 'closed', 'flags/us-east': 'closed' })
  })

  it('lets a call wait for a place, and gives it the first that is free', async () => {
    const { stay, gate } = bench()
    const inside = [stay(), stay({ tenant: 'globex' })]
    const waiting = stay({ tenant: 'initech' })
    await Promise.resolve()
    expect(gate.waiting()).toEqual({ 'orders/us-east': 1 })
    inside[0]?.leave()
    await inside[0]?.done
    waiting.leave()
    await waiting.done
    expect(gate.waiting()).toEqual({ 'orders/us-east': 0 })
  })

  it('turns away whoever finds the queue full, or waited in it for too long, without sending', async () => {
    const { stay, call, sent, timers } = bench()
    for (const tenant of ['acme', 'globex']) stay({ tenant })
    const late = refusalOf(call('ok', { tenant: 'initech' }))
    void call('ok', { tenant: 'other' })
    expect(await refusalOf(call('ok', { tenant: 'more' }))).toMatchObject({
      code: 'upstream_unavailable',
      failure: 'queue_full',
      retryAfterMs: 100,
    })
    timers[0]?.ring()
    expect(await late).toMatchObject({ code: 'upstream_unavailable', failure: 'queue_wait' })
    expect(sent()).toBe(2)
  })

  it('forgets a caller that leaves the queue, and stops its timer when it is called in', async () => {
    const { stay, call, timers, gate, sent } = bench()
    const [first] = [stay(), stay({ tenant: 'globex' })]
    const left = new AbortController()
    const gone = refusalOf(call('ok', { tenant: 'initech', signal: left.signal }))
    const served = call('ok', { tenant: 'other' })
    left.abort()
    expect(await gone).toMatchObject({ failure: 'aborted' })
    first?.leave()
    await served
    expect(gate.waiting()).toEqual({ 'orders/us-east': 0 })
    expect(timers.map(({ signal }) => signal.aborted)).toEqual([true, true])
    expect(sent()).toBe(3)
  })

  it('turns away who waited while the breaker opened', async () => {
    const { gate, passage, call, sent, clock } = bench()
    const held = [0, 1].map((index) => {
      const end = Promise.withResolvers<void>()
      const guard = { ...small, breaker: { ...small.breaker, failures: 2 } }
      const one = passage({ tenant: `t${index}`, guard })
      return { end, guard, done: gate.pass(one, () => end.promise, () => 'failed') } // prettier-ignore
    })
    const waiting = refusalOf(call('ok', { tenant: 'initech', guard: held[0]!.guard }))
    await new Promise(setImmediate)
    clock.advance(small.breaker.slowMs + 1)
    held[0]!.end.resolve()
    expect(await waiting).toMatchObject({ failure: 'breaker_open' })
    expect(sent()).toBe(0)
  })

  it('has nobody wait for a place behind a breaker that is open', async () => {
    const { stay, call, gate, clock } = bench()
    const guard = { ...small, breaker: { ...small.breaker, failures: 2 } }
    for (const tenant of ['acme', 'globex']) stay({ tenant, guard })
    await new Promise(setImmediate)
    clock.advance(small.breaker.slowMs + 1)
    expect(await refusalOf(call('ok', { tenant: 'initech', guard }))).toMatchObject({ failure: 'breaker_open' })
    expect(gate.waiting()).toEqual({ 'orders/us-east': 0 })
  })

  it('lets retries be a tenth of the load and no more', async () => {
    const { gate, call, passage } = bench()
    await call()
    let allowed = 0
    for (let count = 0; count < 100; count += 1) if (gate.mayRetry(passage().target)) allowed += 1
    expect(allowed).toBe(10)
    for (let count = 0; count < 100; count += 1) await call()
    for (let count = 0; count < 100; count += 1) if (gate.mayRetry(passage().target)) allowed += 1
    expect(allowed).toBe(20)
  })

  it('tells operators what it holds back and when a breaker turns', async () => {
    const seen: string[] = []
    const { call, clock } = bench({
      breaker: (target, state) => seen.push(`${target} ${state}`),
      refused: (target, why) => seen.push(`${target} ${why}`),
    })
    for (let count = 0; count < 5; count += 1) await call('failed')
    await refusalOf(call())
    clock.advance(5_000)
    await call()
    expect(seen).toEqual(['orders/us-east open', 'orders/us-east breaker_open', 'orders/us-east closed'])
  })

  it('takes what throws for a failure, and gives its place back', async () => {
    const { gate, passage, stay } = bench()
    for (let count = 0; count < 5; count += 1) {
      const failing = gate.pass(
        passage(),
        async () => {
          throw new TypeError('boom')
        },
        () => 'ok',
      )
      await expect(failing).rejects.toThrow('boom')
    }
    expect(gate.breakers()).toEqual({ 'orders/us-east': 'open' })
    const other = stay({ target: 'flags/us-east' })
    other.leave()
    await other.done
  })

  it('begins anew under other rules', async () => {
    const { call, gate } = bench()
    for (let count = 0; count < 5; count += 1) await call('failed')
    await call('ok', { guard: { ...small, timeoutMs: 5_000 } })
    expect(gate.breakers()).toEqual({ 'orders/us-east': 'closed' })
  })
})
