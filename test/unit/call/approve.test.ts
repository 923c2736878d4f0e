import { createSecretKey } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import { approve, type Approval, type Question } from '../../../src/call/approve.ts'
import type { Ready } from '../../../src/call/call.ts'
import type { Halted } from '../../../src/call/halt.ts'
import { requestStates } from '../../../src/call/request-state.ts'
import { aTool, ready } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'

const asking = {
  effect: 'allow',
  rules: ['ask'],
  redact: [],
  routeConflict: false,
  approval: { rules: ['ask'], reason: 'look' },
} as const
const stop: Halted = { switchId: 'sw', kind: 'session', target: 't', code: 'session_killed', message: 'Stopped.' }
const spent: Approval = { kind: 'spent', id: 'gr-1', approver: 'carla' }

function bench(answer: Approval = spent, halted?: Halted) {
  const ask = vi.fn(async (_question: Question) => answer)
  const enforced = vi.fn()
  const clock = testClock()
  const states = requestStates({ key: createSecretKey(Buffer.alloc(32, 1)), clock, state: memoryState() })
  const stage = approve({
    ask,
    enforced,
    forbids: () => halted,
    digest: (tenant, value) => `${tenant} ${JSON.stringify(value)}`,
    show: (_tenant, args) => args,
    policyDigest: 'p-1',
    states,
  })
  return {
    ask,
    enforced,
    clock,
    run: async (more: Partial<Ready> = {}) => stage(ready(aTool({ effect: 'write' }), more)),
  }
}

describe('approve', () => {
  it('asks nobody where neither a rule nor a switch wants it', async () => {
    const { ask, run } = bench()
    expect(await run()).toEqual({ kind: 'pass', learned: {} })
    expect(ask).not.toHaveBeenCalled()
  })

  it('passes on with the approval that was spent', async () => {
    expect(await bench().run({ verdict: asking })).toEqual({
      kind: 'pass',
      learned: { approval: { id: 'gr-1', approver: 'carla' } },
    })
  })

  it.each<[Approval, string, object]>([
    [{ kind: 'pending', id: 'gr-2' }, 'approval_required', { retryAfterMs: 60_000, elevate: { request: 'gr-2' } }],
    [{ kind: 'denied', id: 'gr-2' }, 'policy_denied', {}],
    [{ kind: 'full' }, 'approval_required', { retryAfterMs: 60_000 }],
  ])('refuses with %j', async (answer, code, more) => {
    const verdict = await bench(answer).run({ verdict: asking })
    expect(verdict).toMatchObject({ kind: 'refuse', refusal: { denied: { code, ...more } } })
    expect(JSON.stringify(verdict.kind === 'refuse' && verdict.refusal.denied)).not.toContain('"ask"')
  })

  it('uses nothing up for a call that a switch stops anyway', async () => {
    const { ask, enforced, run } = bench(spent, stop)
    expect(await run({ verdict: asking })).toMatchObject({ refusal: { denied: { code: 'session_killed' } } })
    expect(ask).not.toHaveBeenCalled()
    expect(enforced).toHaveBeenCalledOnce()
  })

  it('asks for what the policy judged, without the key that tells repeats apart', async () => {
    const { ask, run } = bench()
    await run({ verdict: asking, args: { count: 1, idemKey: 'k' }, judged: { count: 900, idemKey: 'k' } })
    expect(ask.mock.calls[0]?.[0]).toMatchObject({ args: { count: 900 }, policy: 'p-1', because: ['ask'] })
    expect(ask.mock.calls[0]?.[0].binding).not.toContain('idemKey')
  })

  it('lets the state a client sends back run out after an hour', async () => {
    const { clock, run } = bench({ kind: 'pending', id: 'gr-2' })
    const first = await run({ verdict: asking })
    const resumes = first.kind === 'refuse' ? (first.refusal.resume?.requestState ?? '') : ''
    clock.advance(3_600_000)
    expect(await run({ verdict: asking, id: 'call-2', resumes })).toMatchObject({
      refusal: {
        denied: {
          code: 'invalid_arguments',
          field: 'requestState',
          message: expect.stringContaining('run out') as string,
        },
      },
    })
  })
})
