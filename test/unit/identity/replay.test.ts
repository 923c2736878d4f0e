import { describe, expect, it } from 'vitest'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import type { Claims } from '../../../src/identity/claims.ts'
import { replay, type ReplayMode, type Sender } from '../../../src/identity/replay.ts'
import { steadyTime } from '../../../src/identity/steady.ts'
import type { StateStore } from '../../../src/ports/state-store.ts'
import { testClock } from '../../support/clock.ts'

function bench(mode: ReplayMode = 'bound', state: Pick<StateStore, 'remember'> = memoryState()) {
  const clock = testClock()
  const take = replay({ state, time: steadyTime(clock), mode })
  const claims = (more: Partial<Claims> = {}): Claims => ({
    issuer: 'https://issuer.example',
    subject: 'agent:copilot',
    tenant: 'acme',
    jti: 'one',
    scopes: [],
    notBeforeMs: clock.nowMs(),
    expMs: clock.nowMs() + 600_000,
    ttlSec: 600,
    selfIssued: false,
    ...more,
  })
  return { clock, take, claims }
}

const session = (id: string): Sender => ({ kind: 'session', id })
const anyone: Sender = { kind: 'anyone' }

describe('a token name', () => {
  it.each(['certificate', 'key', 'session', 'process'] as const)(
    'belongs to the first %s that shows it',
    async (kind) => {
      const { take, claims } = bench()
      const token = claims()
      expect(await take(token, { kind, id: 'a' })).toEqual({ kind: 'taken', tied: true })
      expect(await take(token, { kind, id: 'a' })).toEqual({ kind: 'taken', tied: true })
      for (const other of [{ kind, id: 'b' }, { kind: kind === 'key' ? 'session' : 'key', id: 'a' } as const, anyone])
        expect((await take(token, other)).kind).toBe('replayed')
    },
  )

  it('that nothing ties to a sender is no session’s any more', async () => {
    const { take, claims } = bench()
    const token = claims()
    expect(await take(token, anyone)).toEqual({ kind: 'taken', tied: false })
    expect((await take(token, anyone)).kind).toBe('taken')
    expect((await take(token, session('a'))).kind).toBe('replayed')
  })

  it('is another one at another issuer', async () => {
    const { take, claims } = bench()
    await take(claims(), session('a'))
    expect((await take(claims({ issuer: 'https://other.example' }), session('b'))).kind).toBe('taken')
    expect((await take(claims({ issuer: 'https://issuer.example","one' }), session('b'))).kind).toBe('taken')
  })

  it('is good for one request where configuration says so, and for one connection on stdio', async () => {
    const { take, claims } = bench('strict')
    expect(await take(claims(), session('a'))).toEqual({ kind: 'taken', tied: true })
    expect((await take(claims(), session('a'))).kind).toBe('replayed')
    const onStdio = claims({ jti: 'two' })
    for (let call = 0; call < 3; call++) expect((await take(onStdio, { kind: 'process', id: 'p' })).kind).toBe('taken')
    expect((await take(onStdio, { kind: 'process', id: 'q' })).kind).toBe('replayed')
  })

  it('serves several sessions in loopback development, but still one certificate and one key', async () => {
    const { take, claims } = bench('lenient')
    for (const sender of [session('a'), session('b'), anyone, { kind: 'process', id: 'p' } as const])
      expect(await take(claims(), sender)).toEqual({ kind: 'taken', tied: false })
    expect((await take(claims(), { kind: 'key', id: 'k' })).kind).toBe('replayed')
    const bound = claims({ jti: 'two' })
    expect(await take(bound, { kind: 'certificate', id: 'c' })).toEqual({ kind: 'taken', tied: true })
    expect((await take(bound, { kind: 'certificate', id: 'd' })).kind).toBe('replayed')
    expect((await take(bound, session('a'))).kind).toBe('replayed')
  })

  it('is remembered beyond the end of its token, and at least 15 minutes', async () => {
    const { clock, take, claims } = bench()
    const [long, brief] = [claims(), claims({ jti: 'brief', expMs: clock.nowMs() + 1_000 })]
    await take(long, session('a'))
    await take(brief, session('a'))
    clock.advance(599_999)
    expect((await take(long, session('b'))).kind).toBe('replayed')
    clock.advance(300_000)
    expect((await take(long, session('b'))).kind).toBe('replayed')
    expect((await take(brief, session('b'))).kind).toBe('replayed')
  })

  it('is kept as a digest: the state learns no session id and no name', async () => {
    const kept: string[] = []
    const state = memoryState()
    const remember: StateStore['remember'] = (key, holder, ...rest) => (
      kept.push(key, holder),
      state.remember(key, holder, ...rest)
    )
    const { take, claims } = bench('bound', { remember })
    await take(claims({ jti: 'secret-name' }), session('secret-session'))
    expect(kept.join()).not.toContain('secret')
  })
})

describe('a state that cannot say whose a token is', () => {
  it('lets nobody take it: full, broken or too slow to be asked', async () => {
    const full = memoryState({ entriesMax: 2 })
    const { take, claims } = bench('bound', full)
    await take(claims({ jti: 'a' }), session('a'))
    await take(claims({ jti: 'b' }), session('a'))
    expect((await take(claims({ jti: 'c' }), session('a'))).kind).toBe('unknown')
    expect((await take(claims({ jti: 'a' }), session('b'))).kind).toBe('replayed')
    expect((await take(claims({ jti: 'a' }), session('a'))).kind).toBe('taken')
    const broken = bench('bound', { remember: () => Promise.reject(new Error('disk')) })
    expect((await broken.take(broken.claims(), session('a'))).kind).toBe('unknown')
    const throwing = bench('bound', {
      remember: () => {
        throw new Error('closed')
      },
    })
    expect((await throwing.take(throwing.claims(), session('a'))).kind).toBe('unknown')
  })

  it('takes new ones again once old ones have ended', async () => {
    const { clock, take, claims } = bench('bound', memoryState({ entriesMax: 1 }))
    await take(claims({ jti: 'a' }), session('a'))
    clock.advance(3_600_000)
    expect((await take(claims({ jti: 'b' }), session('a'))).kind).toBe('taken')
  })
})
