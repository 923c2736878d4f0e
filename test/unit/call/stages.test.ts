import { describe, expect, it, vi } from 'vitest'
import { pass, refuse } from '../../../src/call/pipeline.ts'
import { authenticate } from '../../../src/call/authenticate.ts'
import { commit } from '../../../src/call/commit.ts'
import { decide, type DecideParts } from '../../../src/call/decide.ts'
import { deduplicate } from '../../../src/call/deduplicate.ts'
import { halt, queryOf } from '../../../src/call/halt.ts'
import type { Outcome } from '../../../src/call/outcome.ts'
import { redact, type RedactParts } from '../../../src/call/redact.ts'
import { validate } from '../../../src/call/validate.ts'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import { scanner } from '../../../src/dlp/scan.ts'
import type { PolicyVerdict } from '../../../src/policy/verdict.ts'
import { UpstreamError, type Tool } from '../../../src/ports/tool.ts'
import { aReceipt, aTool, ready, received, someone } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'

const hashKey = () => ({ id: 'h1', key: new Uint8Array(32) })
const scan = scanner({ hashKey })
const codeOf = (verdict: unknown) => (verdict as { refusal?: { denied: { code: string } } }).refusal?.denied.code

describe('authenticate', () => {
  it('lets nobody in whose grants could not be written down', async () => {
    const stage = authenticate(
      () => ({ ok: true, who: someone }),
      () => Promise.reject(new Error('log')),
    )
    await expect(stage(received())).rejects.toThrow('log')
  })

  it('tells the caller nothing of why', async () => {
    const stage = authenticate(
      () => ({ ok: false, code: 'unauthenticated', why: 'exp: too old' }),
      () => undefined,
    )
    const verdict = await stage(received())
    expect(verdict).toMatchObject({ refusal: { denied: { code: 'unauthenticated' }, cause: 'exp: too old' } })
    expect(JSON.stringify((verdict as { refusal: { denied: object } }).refusal.denied)).not.toContain('too old')
  })
})

describe('halt', () => {
  it('asks about a tool by its own name, and about an unknown one as if it destroyed things', () => {
    const called = { ...received({ toolName: 'alias', tool: aTool() }), who: someone }
    expect(queryOf(called)).toMatchObject({ tool: 'test.tool', effect: 'read' })
    const unknown = { ...received({ toolName: 'no.such' }), who: someone }
    expect(queryOf(unknown)).toMatchObject({ tool: 'no.such', effect: 'destructive' })
  })

  it('reports each refusal and repeats nothing of the order', () => {
    const enforced = vi.fn()
    const halted = { switchId: 'sw', kind: 'tool', target: 'x', code: 'quarantined' as const, message: 'Not now.' }
    const verdict = halt(() => halted, enforced)({ ...received(), who: someone })
    expect(verdict).toMatchObject({ kind: 'refuse', refusal: { denied: { code: 'quarantined' }, switchId: 'sw' } })
    expect(enforced).toHaveBeenCalledOnce()
  })
})

describe('validate', () => {
  const problems = (fields: readonly string[]): Tool =>
    aTool({
      validate: () => ({
        ok: false,
        problems: fields.map((field) => ({ field, message: 'is not a field', unknown: true })),
      }),
    })

  it('names every unknown field, safely and at most eight lines of problems', async () => {
    const long = 'x'.repeat(500)
    const verdict = await validate()(received({ tool: problems(['evil', 'a\r\nDENY b', long]) }))
    expect(verdict).toMatchObject({ refusal: { denied: { field: 'evil' } } })
    const { message } = (verdict as { refusal: { denied: { message: string } } }).refusal.denied
    expect(message).toMatch(/^Unknown field evil, a\?\?DENY\?b, x+\.\.\.\.$/)
    expect(message.length).toBeLessThan(200)
  })

  it('names an unknown tool, safely', async () => {
    const verdict = await validate()(received({ toolName: 'über\u0000tool\n' }))
    expect(verdict).toMatchObject({
      refusal: { denied: { code: 'unknown_tool', message: expect.stringContaining('?ber?tool?') as string } },
    })
  })
})

describe('decide', () => {
  const allow: PolicyVerdict = { effect: 'allow', rules: ['a'], redact: [], routeConflict: false }
  const parts = (more: Partial<DecideParts> = {}, verdict: PolicyVerdict = allow): DecideParts => ({
    policy: { digest: '', rulesCount: 1, judge: () => verdict, explain: () => [] },
    scanner: scan,
    describeUrl: () => ({}) as never,
    halt: () => pass({}),
    rights: ({ rights }) => rights,
    home: () => 'us-east',
    waitingFor: () => undefined,
    context: () => ({}) as never,
    sessionTainted: () => false,
    tiedWrites: true,
    ...more,
  })
  const run = async (tool: Tool, made: DecideParts, more: Parameters<typeof ready>[1] = {}) => {
    const { verdict: _verdict, region: _region, judged: _judged, sent: _sent, ...call } = ready(tool, more)
    return decide(made)(call)
  }

  it('lets nobody change anything with a token that would serve whoever copied it', async () => {
    const loose = { who: { ...someone, tied: false } }
    for (const effect of ['write', 'destructive', 'egress'] as const) {
      const verdict = await run(aTool({ effect }), parts(), loose)
      expect(verdict).toMatchObject({ refusal: { denied: { code: 'policy_denied' } } })
      expect(JSON.stringify(verdict)).toMatch(/bound to your client certificate or to a DPoP key/)
      expect((await run(aTool({ effect }), parts({ tiedWrites: false }), loose)).kind).toBe('pass')
    }
    expect((await run(aTool(), parts(), loose)).kind).toBe('pass')
  })

  it('asks for the scope before it asks the policy', async () => {
    const judge = vi.fn(() => allow)
    const policy = { digest: '', rulesCount: 1, judge, explain: () => [] }
    expect(codeOf(await run(aTool({ scopes: () => ['tool.other'] }), parts({ policy })))).toBe('scope_missing')
    expect(judge).not.toHaveBeenCalled()
  })

  it('asks the switches again, and shows the policy no right that one revoked', async () => {
    const judge = vi.fn((_input: { readonly grants: readonly string[] }) => allow)
    const policy = { digest: '', rulesCount: 1, judge, explain: () => [] }
    await run(aTool({ scopes: () => [] }), parts({ policy, rights: () => ['tool.left'] }))
    expect(judge.mock.calls[0]?.[0].grants).toEqual(['tool.left'])
    const halt = () => refuse({ code: 'scope_missing', message: 'Revoked.' })
    expect(codeOf(await run(aTool(), parts({ policy, halt })))).toBe('scope_missing')
    expect(judge).toHaveBeenCalledTimes(1)
  })

  it('shows the policy what the service knows, not what the caller says', async () => {
    const judge = vi.fn((_input: { readonly args: object }) => allow)
    const policy = { digest: '', rulesCount: 1, judge, explain: () => [] }
    await run(aTool({ preview: async () => ({ count: 5000 }) }), parts({ policy }), { args: { count: 1, set: 'x' } })
    expect(judge.mock.calls[0]?.[0].args).toEqual({ count: 5000, set: 'x' })
  })

  it('ends the call when the service’s word cannot be had, and when no region serves it', async () => {
    const silent = aTool({ preview: () => Promise.reject(new UpstreamError('upstream_unavailable', 'timeout', 'x')) })
    expect(codeOf(await run(silent, parts()))).toBe('upstream_unavailable')
    expect(codeOf(await run(aTool(), parts({ home: () => undefined })))).toBe('region_unavailable')
    expect(codeOf(await run(aTool(), parts({}, { ...allow, routeConflict: true })))).toBe('region_unavailable')
  })

  it('denies where no rule allows, and asks for a ticket where a rule names one', async () => {
    expect(codeOf(await run(aTool(), parts({}, { ...allow, effect: 'deny' })))).toBe('policy_denied')
    const deniedBy = { rule: 'r', reason: 'because', namesTicket: true }
    const verdict = await run(aTool(), parts({}, { ...allow, effect: 'deny', deniedBy }))
    expect(verdict).toMatchObject({
      refusal: { denied: { code: 'ticket_required', message: 'Denied: because', field: 'ticket' } },
    })
  })

  it('rewrites what goes to third parties, and refuses when that would move where it goes', async () => {
    const to = (url: string) =>
      aTool({
        effect: 'egress',
        destination: (args) => new URL(typeof args['url'] === 'string' ? args['url'] : url),
        validate: (args) => ({ ok: true, args: args as never }),
      })
    const destination = (url: string) => ({
      destination: { url: new URL(url), domain: 'vendor.example', allowed: true },
    })
    const args = { url: 'https://vendor.example/', body: 'mail ana@private.example' }
    const passed = await run(to(args.url), parts(), { args, ...destination(args.url) })
    expect(passed).toMatchObject({ kind: 'pass', learned: { sent: { url: args.url } } })
    expect(JSON.stringify((passed as { learned?: { sent?: unknown } }).learned?.sent)).not.toContain(
      'ana@private.example',
    )
    const moving = { ...args, url: 'https://vendor.example/?to=ana@private.example' }
    const elsewhere = {
      ...scan,
      redact: () => ({ value: { url: 'https://other.example/' }, findings: { count: 0, kinds: {}, list: [] } }),
    }
    expect(
      codeOf(await run(to(moving.url), parts({ scanner: elsewhere }), { args: moving, ...destination(moving.url) })),
    ).toBe('policy_denied')
  })
})

describe('deduplicate', () => {
  const write = aTool({ effect: 'write', needsIdemKey: true })
  const bench = () => {
    const made = deduplicate({
      state: memoryState(),
      clock: testClock(),
      digest: (tenant, value) => JSON.stringify([tenant, value]),
    })
    const claim = async (more: object = {}) => {
      const { idem: _idem, ...call } = ready(write, { args: { idemKey: 'k', n: 1, ...more } })
      const verdict = await made.stage(call)
      return { verdict, call: { ...call, ...(verdict.kind === 'pass' && verdict.learned) } as ReturnType<typeof ready> }
    }
    return { made, claim }
  }
  const ok: Outcome = { kind: 'ok', answer: { content: [{ type: 'text', text: 'done' }], isError: false } }
  const failed = (code: 'upstream_unavailable' | 'upstream_failed' | 'internal'): Outcome => ({
    kind: 'failed',
    refusal: { denied: { code, message: 'No.' } },
  })
  const refused: Outcome = { kind: 'refused', refusal: { denied: { code: 'session_killed', message: 'No.' } } }

  it.each([
    ['an answer keeps the key', ok, true, 'answer'],
    ['a refusal gives it back, even after the intent', refused, true, 'pass'],
    ['the service’s own word that nothing happened gives it back', failed('upstream_unavailable'), true, 'pass'],
    ['any other failure after the intent leaves it in doubt', failed('upstream_failed'), true, 'outcome_unknown'],
    ['our own fault after the intent leaves it in doubt', failed('internal'), true, 'outcome_unknown'],
    ['our own fault before the intent gives it back', failed('internal'), false, 'pass'],
  ] as const)('%s', async (_what, outcome, intended, again) => {
    const { made, claim } = bench()
    const { call } = await claim()
    const { intent: _intent, ...rest } = call
    await made.settle(intended ? { ...rest, intent: aReceipt } : rest, outcome)
    const { verdict } = await claim()
    expect(codeOf(verdict) ?? verdict.kind).toBe(again)
  })

  it('tells a call under way from a finished one, and other arguments from the same', async () => {
    const { claim } = bench()
    await claim()
    expect((await claim()).verdict).toMatchObject({
      refusal: { denied: { code: 'idempotency_conflict', retryAfterMs: 1000 } },
    })
    expect((await claim({ n: 2 })).verdict).toMatchObject({
      refusal: { denied: { message: expect.stringContaining('other arguments') as string } },
    })
  })
})

describe('commit', () => {
  const log = (problem?: string) => ({ append: vi.fn(async () => aReceipt), problem: () => problem }) as never
  const notes = { intent: vi.fn(() => ({ type: 'call.intent' as const })), ending: vi.fn() }

  const approved = () => pass({})

  it('writes the intent of everything but a read', async () => {
    for (const effect of ['write', 'egress', 'destructive'] as const) {
      expect(await commit(log(), notes, approved)(ready(aTool({ effect })))).toEqual({
        kind: 'pass',
        learned: { intent: aReceipt },
      })
    }
    expect(await commit(log(), notes, approved)(ready())).toEqual({ kind: 'pass', learned: {} })
  })

  it('refuses to change anything while the log cannot be written', async () => {
    expect(codeOf(await commit(log('disk full'), notes, approved)(ready(aTool({ effect: 'write' }))))).toBe('internal')
  })
})

describe('redact', () => {
  const parts = (more: Partial<RedactParts> = {}): RedactParts => ({
    scanner: scan,
    markers: () => 0,
    learn: () => undefined,
    fits: () => true,
    ...more,
  })
  const withResult = (structured: object, more: Parameters<typeof ready>[1] = {}) =>
    ({ ...ready(aTool(), more), result: { structured } }) as never

  it('builds text and structure of the same redacted object', async () => {
    const verdict = await redact(parts())(withResult({ note: 'write to ana@private.example' }))
    const { answer } = (verdict as { learned: { answer: { content: { text: string }[]; structured: object } } }).learned
    expect(JSON.parse(answer.content[0]?.text ?? '')).toEqual(answer.structured)
    expect(JSON.stringify(answer)).not.toContain('ana@')
  })

  it.each([
    [
      'cannot be scanned',
      parts({
        scanner: {
          ...scan,
          redact: () => {
            throw new RangeError('too deep')
          },
        },
      }),
      'RangeError',
    ],
    ['no longer fits its schema', parts({ fits: () => false }), 'output_schema'],
    [
      'meets a rule that blocks',
      parts({
        scanner: {
          ...scan,
          redact: () => ({ value: null, findings: { count: 1, kinds: {}, list: [] }, blocked: 'card' }),
        },
      }),
      'block:card',
    ],
    [
      'cannot be learned from',
      parts({
        learn: () => {
          throw new Error('full')
        },
      }),
      'Error',
    ],
  ])('withholds a result that %s', async (_what, made, cause) => {
    expect(await redact(made)(withResult({ secret: 1 }))).toMatchObject({
      kind: 'fail',
      refusal: { denied: { code: 'output_withheld' }, cause },
    })
  })
})
