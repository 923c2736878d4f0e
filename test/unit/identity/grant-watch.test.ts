import { describe, expect, it } from 'vitest'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import { grantWatch } from '../../../src/identity/grant-watch.ts'
import type { Principal } from '../../../src/identity/principal.ts'
import type { StateStore } from '../../../src/ports/state-store.ts'
import { testClock } from '../../support/clock.ts'

const who = (scopes: readonly string[], more: Partial<Principal> = {}): Principal => ({
  tenant: 'acme',
  actor: { id: 'agent:copilot', type: 'agent' },
  issuer: 'urn:i',
  subject: 'agent:copilot',
  session: 's',
  region: 'US',
  scopes,
  rights: scopes,
  outsideAllow: [],
  tied: true,
  selfIssued: true,
  ...more,
})

function bench(state: StateStore = memoryState(), grantsMax = 100) {
  const reports: string[] = []
  const broken = { now: false }
  const watch = grantWatch({
    state,
    clock: testClock(),
    grantsMax,
    async report(caller, scopes) {
      if (broken.now) throw new Error('the log is full')
      reports.push(`${caller.tenant} ${caller.actor.id} ${scopes.join(' ')}`)
    },
  })
  return { watch: (caller: Principal) => watch(caller, 'trace'), reports, broken, state }
}

describe('the grant watch', () => {
  it('reports each new scope of an actor once, and then answers at once', async () => {
    const { watch, reports } = bench()
    await watch(who(['a', 'b']))
    expect(watch(who(['b', 'a']))).toBeUndefined()
    await watch(who(['a', 'c']))
    expect(reports).toEqual(['acme agent:copilot a b', 'acme agent:copilot c'])
  })

  it('keeps tenants and actors apart', async () => {
    const { watch, reports } = bench()
    await watch(who(['a']))
    await watch(who(['a'], { tenant: 'globex' }))
    await watch(who(['a'], { actor: { id: 'agent:other', type: 'agent' } }))
    expect(reports).toHaveLength(3)
  })

  it('reports once for calls at the same time', async () => {
    const { watch, reports } = bench()
    await Promise.all([watch(who(['a'])), watch(who(['a'])), watch(who(['a']))])
    expect(reports).toHaveLength(1)
  })

  it('does not report again after a restart, nor when memory has let go of it', async () => {
    const first = bench(memoryState(), 1)
    await first.watch(who(['a', 'b']))
    await first.watch(who(['a', 'b']))
    await bench(first.state).watch(who(['a', 'b']))
    expect(first.reports).toHaveLength(1)
  })

  it('refuses while it cannot report, and reports when it can again', async () => {
    const { watch, reports, broken } = bench()
    broken.now = true
    await expect(watch(who(['a']))).rejects.toThrow('full')
    broken.now = false
    await watch(who(['a']))
    expect(reports).toHaveLength(1)
  })

  it('lets calls pass when the state takes no more: a second report is the lesser evil', async () => {
    const state = memoryState({ entriesMax: 1 })
    await state.remember('other', 'x', 1e15, 0)
    const { watch, reports } = bench(state)
    await watch(who(['a']))
    expect(reports).toHaveLength(1)
  })
})
