import type { HandleParts } from '../../src/call/handle.ts'
import { pass, type Verdict } from '../../src/call/pipeline.ts'
import type { Stages } from '../../src/call/stages.ts'

/** What can break: each stage, and writing down how the call ended. */
export const breakable = [
  'authenticate',
  'halt',
  'limit',
  'validate',
  'inspect',
  'decide',
  'deduplicate',
  'commit',
  'invoke',
  'redact',
  'record',
] as const

export type Breakable = (typeof breakable)[number]

/** The error of a fault; no agent may ever read a word of it. */
const secretError = 'boom secret=hunter2'

const thrown = () => {
  throw new TypeError(secretError)
}

/** Everything a broken stage may do instead of its work. */
export const stageFaults: Readonly<Record<string, () => unknown>> = {
  throws: thrown,
  rejects: () => Promise.reject(new Error(secretError)),
  'throws what is no error': () => {
    // eslint-disable-next-line no-throw-literal, typescript/only-throw-error
    throw secretError as unknown as Error
  },
  hangs: () => new Promise(() => undefined),
  'returns undefined': () => undefined,
  'returns null': () => null,
  'returns NaN': () => Number.NaN,
  'returns true': () => true,
  'returns "pass"': () => 'pass',
  'resolves with nothing': () => Promise.resolve(),
  'gives a verdict of no known kind': () => ({ kind: 'allow', learned: {} }),
  'passes and says nothing': () => ({ kind: 'pass' }),
  'passes with null': () => ({ kind: 'pass', learned: null }),
  'passes with a number': () => ({ kind: 'pass', learned: Number.NaN }),
  'refuses without a refusal': () => ({ kind: 'refuse' }),
  'refuses with a code nobody knows': () => ({
    kind: 'refuse',
    refusal: { denied: { code: 'fine', message: secretError } },
  }),
  'fails without a refusal': () => ({ kind: 'fail', refusal: null }),
  'answers with null': () => ({ kind: 'answer', answer: null, replayOf: 'x' }),
  'answers with something else': () => ({ kind: 'answer', answer: { ok: true }, replayOf: 'x' }),
  'replaces the tool': () => pass({ toolName: 'orders.export' }),
}

/** A verdict that only `deduplicate` may give: from any other stage it would be an answer nobody earned. */
export const forged = () => ({
  kind: 'answer',
  answer: { content: [{ type: 'text', text: 'Flag forged' }], isError: false },
  replayOf: 'x',
})

/** Everything a broken log may do instead of giving a receipt. */
export const logFaults: Readonly<Record<string, () => unknown>> = {
  throws: thrown,
  rejects: () => Promise.reject(new Error(secretError)),
  hangs: () => new Promise(() => undefined),
  'resolves with nothing': () => Promise.resolve(),
  'resolves with null': () => Promise.resolve(null),
  'resolves with NaN': () => Promise.resolve(Number.NaN),
  'returns true': () => true,
  'resolves with something else': () => Promise.resolve({ ok: true }),
}

/** Everything that may be said of a caller instead of who it is. */
export const identityFaults: Readonly<Record<string, () => unknown>> = {
  throws: thrown,
  rejects: () => Promise.reject(new Error(secretError)),
  hangs: () => new Promise(() => undefined),
  'returns undefined': () => undefined,
  'returns null': () => null,
  'returns NaN': () => Number.NaN,
  'returns true': () => true,
  'resolves with nothing': () => Promise.resolve(),
  'says yes and names nobody': () => ({ ok: true }),
  'says yes to null': () => ({ ok: true, who: null }),
  'says yes to NaN': () => ({ ok: true, who: Number.NaN }),
  'says yes to a name that is NaN': () => ({
    ok: true,
    who: { tenant: 'acme', issuer: 'urn:x', subject: Number.NaN, session: 's' },
  }),
  'says yes to somebody without a tenant': () => ({
    ok: true,
    who: { tenant: '', issuer: 'urn:x', subject: 'agent:x', session: 's' },
  }),
  'says no without a reason': () => ({ ok: false }),
}

/** Everything that may become of keeping an answer for its key. */
export const settleFaults: Readonly<Record<string, () => unknown>> = {
  throws: thrown,
  rejects: () => Promise.reject(new Error(secretError)),
  hangs: () => new Promise(() => undefined),
  'returns NaN': () => Number.NaN,
}

/** The traces of calls whose key cannot be settled, and how. */
export const unsettled = new Map<string, () => unknown>()

/** The same handler's parts, whose keys are settled as planned. */
export function unsettling(parts: HandleParts): HandleParts {
  const settle: HandleParts['settle'] = (call, outcome) => {
    const fault = unsettled.get(call.trace.traceId)
    return (fault ? fault() : parts.settle(call, outcome)) as Promise<void>
  }
  return { ...parts, settle }
}

/** What is to break in which call, by the call's trace id. Calls that are not named here are left alone. */
export const planned = new Map<string, { readonly at: Breakable; readonly fault: () => unknown }>()

const faultAt = (traceId: string, at: Breakable): (() => unknown) | undefined => {
  const plan = planned.get(traceId)
  return plan?.at === at ? plan.fault : undefined
}

/** The same stages, each of which breaks where it is planned to. */
export function breaking(stages: Stages): Stages {
  const wrapped = Object.entries(stages).map(([name, stage]) => {
    const run = stage as (call: never) => unknown
    return [name, broken(name as Breakable, run)]
  })
  return Object.fromEntries(wrapped) as Stages
}

function broken(name: Breakable, run: (call: never) => unknown) {
  return (call: { readonly trace: { readonly traceId: string } }) =>
    (faultAt(call.trace.traceId, name) ?? (() => run(call as never)))() as Verdict<object>
}

/** The same handler's parts, with a log that breaks where it is planned to. Only endings: intents are `commit`'s. */
export function breakingLog(parts: HandleParts): HandleParts {
  const { log } = parts
  const append: typeof log.append = (entry) => {
    const fault = entry.type === 'call.intent' ? undefined : faultAt(entry.traceId ?? '', 'record')
    return (fault ? fault() : log.append(entry)) as ReturnType<typeof log.append>
  }
  return {
    ...parts,
    log: { stream: log.stream, append, follow: log.follow, problem: () => log.problem(), close: () => log.close() },
  }
}
