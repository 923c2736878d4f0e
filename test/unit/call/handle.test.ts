import { describe, expect, it, vi } from 'vitest'
import { handler, type HandleParts } from '../../../src/call/handle.ts'
import { pass, refuse } from '../../../src/call/pipeline.ts'
import type { Stages } from '../../../src/call/stages.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import { aReceipt, aTool, blindTrace, ready, received, someone } from '../../support/calls.ts'

const { who, limits, args, found, taint, verdict, region, sent } = ready()
const release = vi.fn()
const answer = { content: [{ type: 'text' as const, text: 'fine' }], isError: false }

const stages: Stages = {
  authenticate: () => pass({ who }),
  halt: () => pass({}),
  limit: () => pass({ limits, release }),
  validate: () => pass({ checked: aTool(), args }),
  inspect: () => pass({ found, taint }),
  decide: () => pass({ verdict, region, judged: args, sent }),
  deduplicate: () => pass({}),
  commit: () => pass({}),
  invoke: () => pass({ result: { structured: { fine: true } } }),
  redact: () => pass({ answer, shown: found, markers: 0 }),
}

function bench(more: Partial<HandleParts> = {}) {
  const appended: EvidenceEntry[] = []
  const log = { append: async (entry: EvidenceEntry) => (appended.push(entry), aReceipt) } as never
  const notes = {
    intent: () => ({ type: 'call.intent' as const }),
    ending: () => ({ type: 'call.outcome' as const }),
  }
  const fault = vi.fn()
  const settle = vi.fn(async () => undefined)
  const handle = handler({ stages, log, notes, settle, fault, stageTimeoutMs: 10, policyDigest: 'digest', ...more })
  return { handle, appended, fault, settle }
}

describe('a call that ends', () => {
  it('is answered with the receipt of its record', async () => {
    const { handle, appended } = bench()
    expect(await handle(received())).toEqual({ outcome: { kind: 'ok', answer }, receipt: aReceipt })
    expect(appended).toHaveLength(1)
  })

  it('gives its place back once, whatever became of it', async () => {
    for (const more of [
      {},
      { stages: { ...stages, decide: () => refuse({ code: 'policy_denied', message: 'No.' }) } },
    ]) {
      release.mockClear()
      await bench(more).handle(received())
      expect(release).toHaveBeenCalledOnce()
    }
  })

  it('that cannot be put into words fails, and that much is written down', async () => {
    const ending = vi
      .fn()
      .mockImplementationOnce(() => {
        throw new TypeError('no canonical form')
      })
      .mockReturnValue({ type: 'call.outcome' })
    const { handle, appended, fault } = bench({ notes: { intent: vi.fn(), ending } })
    const { outcome, receipt } = await handle(received({ rawArgs: { odd: 1 } }))
    expect(outcome).toMatchObject({ kind: 'failed', refusal: { denied: { code: 'internal' } } })
    expect([receipt, appended.length]).toEqual([aReceipt, 1])
    const [told, said] = ending.mock.lastCall ?? []
    expect(told).toMatchObject({ id: 'call-1', who: someone, rawArgs: {} })
    expect(told).not.toHaveProperty('args')
    expect(said).toEqual(outcome)
    expect(fault).toHaveBeenCalledOnce()
  })

  it('keeps its key claimed when the state does not answer, and is answered all the same', async () => {
    for (const settle of [() => new Promise<void>(() => undefined), () => Promise.reject(new Error('disk'))]) {
      const { handle, fault } = bench({ settle })
      expect((await handle(received())).outcome.kind).toBe('ok')
      expect(fault).toHaveBeenCalledWith(
        expect.anything(),
        expect.objectContaining({ cause: expect.stringMatching(/^settle/) as string }),
      )
    }
  })

  it('never throws, even when those who watch it do', async () => {
    const broken = () => {
      throw new Error('boom secret=abc')
    }
    for (const trace of [
      { ...blindTrace, begin: broken },
      { ...blindTrace, end: broken },
    ]) {
      const { outcome } = await bench().handle(received({ trace }))
      expect(outcome).toMatchObject({ kind: 'failed', refusal: { denied: { code: 'internal' } } })
      if (outcome.kind === 'failed') expect(outcome.refusal.denied.message).not.toContain('boom')
    }
  })

  it('without an answer is no success', async () => {
    for (const odd of [undefined, null, Number.NaN, { ok: true }]) {
      const { handle } = bench({
        stages: { ...stages, redact: () => pass({ answer: odd, shown: found, markers: 0 }) as never },
      })
      expect((await handle(received())).outcome).toMatchObject({
        kind: 'failed',
        refusal: { denied: { code: 'internal' } },
      })
    }
  })
})
