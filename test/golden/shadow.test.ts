import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'

const trial = {
  rule: 'trial-no-staging',
  when: { tool: 'flag.set', cond: "env == 'staging' and rolloutPct > 5" },
  decision: 'deny',
  reason: 'a trial',
  mode: 'shadow',
}

let gate: TestGateway
beforeAll(async () => {
  gate = await openTestGateway({ over: { policies: ['builtin', trial] } })
})
afterAll(() => gate.close())

const raise = (rolloutPct: number) =>
  gate.call('flag.set', { name: 'checkout_v2', env: 'staging', rolloutPct, idemKey: randomUUID() })

describe('a shadow rule', () => {
  it('changes nothing for the caller', async () => {
    expect((await raise(50)).ended).toBe('ok')
    expect((await raise(5)).ended).toBe('ok')
  })

  it('stands in the evidence of each call it would have denied, and of no other', async () => {
    const decisions = (await gate.records())
      .filter(({ type }) => type === 'call.outcome')
      .map(({ decision }) => decision)
    expect(decisions).toMatchObject([
      { effect: 'allow', shadowEffect: 'deny', shadowRules: ['trial-no-staging'] },
      { effect: 'allow' },
    ])
    expect(decisions[1]).not.toHaveProperty('shadowEffect')
  })

  it('is counted, so that it can be judged before it is enforced', async () => {
    const page = await gate.started.gateway.admin.metrics()
    const counted = page.split('\n').filter((line) => line.startsWith('sluicegate_policy_shadow_total{'))
    expect(counted.join('\n')).toMatch(/rule="trial-no-staging".* 1$/)
    expect(counted).toHaveLength(1)
  })
})
