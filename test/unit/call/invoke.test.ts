import { describe, expect, it, vi } from 'vitest'
import type { Ready } from '../../../src/call/call.ts'
import type { Halted } from '../../../src/call/halt.ts'
import { invoke } from '../../../src/call/invoke.ts'
import { ToolRefusal, UpstreamError, type Tool, type ToolResult } from '../../../src/ports/tool.ts'
import { aReceipt, aTool, ready } from '../../support/calls.ts'

const killed: Halted = { switchId: 'sw', kind: 'session', target: 't', code: 'session_killed', message: 'Stopped.' }

function bench(forbids: () => Halted | undefined = () => undefined, timeoutMs = 1000) {
  const enforced = vi.fn()
  const reach = ({ signal }: Ready) => ({ context: { signal } as never, departed: () => undefined })
  const stage = invoke({ forbids, enforced, reach, timeoutMs, graceMs: 5 })
  return { enforced, run: async (call: Ready) => stage(call) }
}

function failing(error: Error, more: Partial<Tool> = {}): Ready {
  const invoke = async () => {
    throw error
  }
  return ready(aTool({ ...more, invoke }))
}

describe('invoke', () => {
  it('runs nothing when a switch was engaged while the intent was written', async () => {
    const tool = aTool({ effect: 'write', invoke: vi.fn() })
    const { run, enforced } = bench(() => killed)
    expect(await run(ready(tool))).toMatchObject({ kind: 'refuse', refusal: { denied: { code: 'session_killed' } } })
    expect(tool.invoke).not.toHaveBeenCalled()
    expect(enforced).toHaveBeenCalledOnce()
  })

  it('runs nothing that needs a person without the approval, whatever the gates before it said', async () => {
    const tool = aTool({ effect: 'write', invoke: vi.fn() })
    const approval = { rules: ['ask'], reason: 'look first' }
    const verdict = { effect: 'allow', rules: ['ask'], redact: [], routeConflict: false, approval } as const
    await expect(bench().run(ready(tool, { verdict }))).rejects.toThrow(/without having done its work/)
    expect(tool.invoke).not.toHaveBeenCalled()
    await bench().run(ready(tool, { verdict, approval: { id: 'gr-1', approver: 'carla' } }))
    expect(tool.invoke).toHaveBeenCalledOnce()
  })

  it('is stopped by a switch that asks for a person, unless the approval was asked for by that one', async () => {
    const asking: Halted = { ...killed, switchId: 'sw-1', kind: 'approval', code: 'approval_required' }
    const tool = aTool({ effect: 'write', invoke: vi.fn() })
    const run = (switchId?: string) =>
      bench(() => asking).run(
        ready(tool, { approval: { id: 'gr-1', approver: 'carla', ...(switchId && { switchId }) } }),
      )
    for (const other of [undefined, 'sw-2'])
      expect(await run(other)).toMatchObject({ kind: 'refuse', refusal: { denied: { code: 'approval_required' } } })
    expect(tool.invoke).not.toHaveBeenCalled()
    expect((await run('sw-1')).kind).toBe('pass')
  })

  it('withholds a result that arrives after the kill, and says that something may have changed', async () => {
    let dead = false
    const tool = aTool({ effect: 'write', invoke: async () => ((dead = true), { structured: { secret: 1 } }) })
    const { run } = bench(() => (dead ? killed : undefined))
    const verdict = await run(ready(tool))
    expect(verdict).toMatchObject({ kind: 'fail', refusal: { denied: { code: 'session_killed' }, switchId: 'sw' } })
    expect(JSON.stringify(verdict)).not.toContain('secret')
  })

  it('ends a call that was never sent as the switch says that kept it back, so that its key is free', async () => {
    let dead = false
    const unsent = new UpstreamError('upstream_unavailable', 'stopped', 'Nothing was sent to the service.')
    const invoke = async () => {
      dead = true
      throw unsent
    }
    const { run, enforced } = bench(() => (dead ? killed : undefined))
    const verdict = await run(ready(aTool({ effect: 'write', invoke })))
    expect(verdict).toMatchObject({ kind: 'refuse', refusal: { denied: { code: 'session_killed' } } })
    expect(enforced).toHaveBeenCalledOnce()
  })

  it.each([
    ['read', 'upstream_unavailable'],
    ['write', 'outcome_unknown'],
    ['egress', 'outcome_unknown'],
  ] as const)('ends a late %s as %s', async (effect, code) => {
    const tool = aTool({ effect, invoke: () => new Promise(() => undefined) })
    expect(await bench(undefined, 5).run(ready(tool))).toMatchObject({
      kind: 'fail',
      refusal: { denied: { code }, cause: 'timeout' },
    })
  })

  it('aborts the tool at its deadline, and takes what it says then for the end', async () => {
    const ends: string[] = []
    const slow = (effect: 'read' | 'write', end: (signal: AbortSignal) => Promise<ToolResult>) =>
      ready(aTool({ effect, invoke: (_args, { signal }) => end(signal) }))
    const stopped = (signal: AbortSignal) =>
      new Promise<void>((resolve) =>
        signal.addEventListener('abort', () => (ends.push((signal.reason as Error).name), resolve())),
      )
    const unsent = slow('write', async (signal) => {
      await stopped(signal)
      throw new UpstreamError('upstream_unavailable', 'timeout', 'Nothing was sent.', 300)
    })
    expect(await bench(undefined, 5).run(unsent)).toMatchObject({
      kind: 'fail',
      refusal: { denied: { code: 'upstream_unavailable', retryAfterMs: 300 } },
    })
    const done = slow('write', async (signal) => (await stopped(signal), { structured: { done: true } }))
    expect(await bench(undefined, 5).run(done)).toMatchObject({
      kind: 'pass',
      learned: { result: { structured: { done: true } } },
    })
    expect(ends).toEqual(['TimeoutError', 'TimeoutError'])
  })

  it('does not abort a tool that is in time', async () => {
    let seen: AbortSignal | undefined
    const tool = aTool({ invoke: async (_args, { signal }) => ((seen = signal), { structured: {} }) })
    await bench(undefined, 20).run(ready(tool))
    await new Promise((resolve) => setTimeout(resolve, 40))
    expect(seen?.aborted).toBe(false)
  })

  it('tells a service’s failure by its class, and a tool’s refusal as a refusal', async () => {
    const { run } = bench()
    expect(await run(failing(new UpstreamError('upstream_failed', 'http_500', 'said boom')))).toMatchObject({
      kind: 'fail',
      refusal: { denied: { code: 'upstream_failed' }, cause: 'http_500' },
    })
    expect(await run(failing(new ToolRefusal('egress_denied', 'Not there.', 'url')))).toMatchObject({
      kind: 'refuse',
      refusal: { denied: { code: 'egress_denied', message: 'Not there.', field: 'url' } },
    })
  })

  it('lets a bug be a bug: the pipeline ends it', async () => {
    await expect(bench().run(failing(new TypeError('boom')))).rejects.toThrow('boom')
  })

  it.each([
    ['a write without its intent', ready(aTool({ effect: 'write' }), { intent: undefined as never })],
    ['a write whose intent is no receipt', ready(aTool({ effect: 'write' }), { intent: true as never })],
    [
      'a write without a claim on its key',
      ready(aTool({ effect: 'write', needsIdemKey: true }), { idem: undefined as never }),
    ],
    ['a call that nobody judged', ready(aTool(), { verdict: undefined as never })],
    [
      'a call that was denied',
      ready(aTool(), { verdict: { effect: 'deny', rules: [], redact: [], routeConflict: false } }),
    ],
    ['a call of nobody', ready(aTool(), { who: undefined as never })],
    ['a call that nothing limited', ready(aTool(), { limits: undefined as never })],
  ])('does not run %s', async (_what, call) => {
    const invoked = vi.spyOn(call.checked, 'invoke')
    await expect(bench().run(call)).rejects.toThrow('a gate passed')
    expect(invoked).not.toHaveBeenCalled()
  })

  it('runs a read without an intent, and anything else with one', async () => {
    expect(await bench().run(ready())).toMatchObject({
      kind: 'pass',
      learned: { result: { structured: { fine: true } } },
    })
    expect(await bench().run(ready(aTool({ effect: 'write' }), { intent: aReceipt }))).toMatchObject({ kind: 'pass' })
  })
})
