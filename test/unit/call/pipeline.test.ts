import { describe, expect, it } from 'vitest'
import { pass, pipeline, refuse, type Stage, type Verdict } from '../../../src/call/pipeline.ts'
import type { Received } from '../../../src/call/call.ts'
import { received } from '../../support/calls.ts'

const start = () => pipeline({ stageTimeoutMs: 20 })
const learnsA: Stage<Received, { a: number }> = () => pass({ a: 1 })
const needsA: Stage<Received & { a: number }, { b: number }> = ({ a }) => pass({ b: a + 1 })

describe('the pipeline', () => {
  it('hands each stage what the earlier ones learned', async () => {
    const run = await start().use('authenticate', learnsA).use('halt', needsA).run(received())
    expect(run).toMatchObject({ kind: 'through', call: { a: 1, b: 2 } })
  })

  it('does not compile when a stage needs what nobody has learned', () => {
    // @ts-expect-error `needsA` must know `a`, and no stage before it says so
    start().use('halt', needsA)
  })

  it('stops at the first refusal and runs nothing after it', async () => {
    let ran = false
    const run = await start()
      .use('authenticate', () => refuse({ code: 'unauthenticated', message: 'no' }))
      .use('halt', () => {
        ran = true
        return pass({})
      })
      .run(received())
    expect(run).toMatchObject({ kind: 'stopped', at: 'authenticate', verdict: { kind: 'refuse' } })
    expect(ran).toBe(false)
  })

  it('leaves the call it was given untouched', async () => {
    const call = Object.freeze(received())
    await start().use('authenticate', learnsA).run(call)
    expect(call).not.toHaveProperty('a')
  })
})

/** Everything a broken stage might do instead of giving a verdict. */
const faults: Record<string, () => unknown> = {
  throws: () => {
    throw new TypeError('boom secret=abc')
  },
  rejects: () => Promise.reject(new Error('boom')),
  'never answers': () => new Promise(() => undefined),
  'returns undefined': () => undefined,
  'returns null': () => null,
  'returns NaN': () => Number.NaN,
  'returns true': () => true,
  'returns a verdict of no known kind': () => ({ kind: 'allow' }),
  'passes without learning': () => ({ kind: 'pass' }),
  'passes with learned null': () => ({ kind: 'pass', learned: null }),
  'refuses without a reason': () => ({ kind: 'refuse' }),
  'answers without an answer': () => ({ kind: 'answer' }),
  'replaces what was known': () => pass({ toolName: 'other.tool' }),
}

describe.each(Object.entries(faults))('a stage that %s', (_name, fault) => {
  it('ends the call as internal, saying nothing of the cause to the agent', async () => {
    const run = await start()
      .use('authenticate', fault as () => Verdict<object>)
      .use('halt', learnsA)
      .run(received())
    expect(run).toMatchObject({
      kind: 'stopped',
      at: 'authenticate',
      verdict: { refusal: { denied: { code: 'internal' } } },
    })
    if (run.kind === 'stopped' && run.verdict.kind === 'fail') {
      expect(run.verdict.refusal.denied.message).not.toContain('boom')
      expect(run.verdict.refusal.denied.message).toContain('call-1')
    }
  })
})
