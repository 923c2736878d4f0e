import { describe, expect, it } from 'vitest'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import { deduplicate } from '../../../src/call/deduplicate.ts'
import type { Outcome } from '../../../src/call/outcome.ts'
import type { Principal } from '../../../src/identity/principal.ts'
import { aReceipt, aTool, ready, someone } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'

const write = aTool({ effect: 'write', needsIdemKey: true })
const done: Outcome = {
  kind: 'ok',
  answer: { content: [{ type: 'text', text: 'ana@private.example' }], isError: false },
}

function bench() {
  const digest = (tenant: string, value: unknown) => JSON.stringify([tenant, value])
  const { stage, settle } = deduplicate({ state: memoryState(), clock: testClock(), digest })
  const claim = async (who: Principal = someone, region = 'us-east') => {
    const { idem: _idem, ...call } = ready(write, { who, region, args: { idemKey: 'k' } })
    const verdict = await stage(call)
    return { verdict, call: { ...call, ...('learned' in verdict && verdict.learned) } }
  }
  return { claim, settle }
}

const unmasked: Principal = { ...someone, rights: ['orders.read', 'orders.read:unmasked'] }

describe('a repeated call', () => {
  it('knows its key, so that its record can, and leaves the key as it was', async () => {
    const { claim, settle } = bench()
    const first = await claim()
    await settle(first.call, done)
    const again = await claim()
    expect(again.verdict).toMatchObject({ kind: 'answer', replayOf: first.call.id })
    expect(again.call.idem).toEqual(first.call.idem)
    await settle(again.call, { ...done, replayOf: first.call.id })
    expect((await claim()).verdict.kind).toBe('answer')
  })

  it.each([
    ['sees less in clear than the first', { ...unmasked, rights: ['orders.read'] }],
    ['is another actor', { ...unmasked, actor: { id: 'agent:other', type: 'agent' } }],
    ['acts for another subject', { ...unmasked, subject: 'user:ben' }],
    ['comes from another issuer', { ...unmasked, issuer: 'urn:other' }],
  ] as const)('is refused when who repeats it %s', async (_what, who) => {
    const { claim, settle } = bench()
    await settle((await claim(unmasked)).call, done)
    const { verdict } = await claim(who)
    expect(verdict).toMatchObject({ kind: 'refuse', refusal: { denied: { code: 'idempotency_conflict' } } })
    expect(JSON.stringify(verdict)).not.toContain('private.example')
    expect((await claim(unmasked)).verdict.kind).toBe('answer')
  })
})

describe('a call that is repeated when it would go to another region', () => {
  it('is answered from the first time, and not done once more there', async () => {
    const { claim, settle } = bench()
    const first = await claim(someone, 'us-east')
    await settle(first.call, done)
    expect((await claim(someone, 'eu-west')).verdict).toMatchObject({ kind: 'answer', replayOf: first.call.id })
  })

  it('is not let through there while nobody knows what became of it', async () => {
    const { claim, settle } = bench()
    const { call } = await claim(someone, 'us-east')
    const refusal = { denied: { code: 'outcome_unknown', message: '' }, cause: 'timeout' } as const
    await settle({ ...call, intent: aReceipt }, { kind: 'failed', refusal })
    const { verdict } = await claim(someone, 'eu-west')
    expect(verdict).toMatchObject({ kind: 'refuse', refusal: { denied: { code: 'outcome_unknown' } } })
  })
})
