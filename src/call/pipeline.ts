import type { Part } from '../ports/observer.ts'
import type { Received } from './call.ts'
import { codes, type Answer, type Refusal } from './outcome.ts'

/** What a stage says of a call. */
export type Verdict<Learned> =
  /** Go on, knowing this much more. */
  | { readonly kind: 'pass'; readonly learned: Learned }
  /** Stop: nothing outside has changed. What was learned all the same is kept for the record. */
  | { readonly kind: 'refuse'; readonly refusal: Refusal; readonly learned?: object }
  /** Stop: something outside may have changed, and there is no answer to show for it. */
  | { readonly kind: 'fail'; readonly refusal: Refusal; readonly learned?: object }
  /** Stop: this call was answered before, and here is that answer. Only `deduplicate` may say so. */
  | { readonly kind: 'answer'; readonly answer: Answer; readonly replayOf: string; readonly learned?: object }

/** One stage: what it must know, and what it learns. It knows nothing of spans, timers or what comes after it. */
export type Stage<Known, Learned> = (call: Known) => Verdict<Learned> | Promise<Verdict<Learned>>

/** How a run ended: with everything learned, or at the stage that stopped it with what was known by then. */
export type Run<Known> =
  | { readonly kind: 'through'; readonly call: Known; readonly us: Timings }
  | {
      readonly kind: 'stopped'
      readonly at: Part
      readonly verdict: Exclude<Verdict<never>, { kind: 'pass' }>
      readonly call: Received
      readonly us: Timings
    }

/** Microseconds spent in each stage. */
export type Timings = Readonly<Partial<Record<Part, number>>>

export interface Pipeline<Known extends Received> {
  /** Adds a stage. Does not compile where the stage needs something no earlier stage has learned. */
  use<Learned extends object>(name: Part, stage: Stage<Known, Learned>): Pipeline<Known & Learned>
  run(call: Received): Promise<Run<Known>>
}

interface Step {
  readonly name: Part
  readonly stage: Stage<never, object>
}

/** Pass, with what was learned. */
export const pass = <Learned>(learned: Learned): Verdict<Learned> => ({ kind: 'pass', learned })

/** Refuse, with what the agent is told and what only operators see. */
export const refuse = (denied: Refusal['denied'], more: Omit<Refusal, 'denied'> = {}): Verdict<never> => ({
  kind: 'refuse',
  refusal: { denied, ...more },
})

/**
 * A list of stages that fails closed: a stage that throws, outlasts `stageTimeoutMs`, says something that is no verdict,
 * or claims to have learned what was known before, ends the call with the code `internal`.
 */
export function pipeline(options: { readonly stageTimeoutMs: number }): Pipeline<Received> {
  return extend([], options.stageTimeoutMs)
}

function extend<Known extends Received>(steps: readonly Step[], stageTimeoutMs: number): Pipeline<Known> {
  return {
    use: (name, stage) => extend([...steps, { name, stage }], stageTimeoutMs),
    run: (call) => run<Known>(steps, call, stageTimeoutMs),
  }
}

async function run<Known>(steps: readonly Step[], received: Received, stageTimeoutMs: number): Promise<Run<Known>> {
  const call: Received = { ...received }
  const us: Partial<Record<Part, number>> = {}
  for (const { name, stage } of steps) {
    const part = call.trace.begin(name)
    const verdict = await judge({ name, stage }, call, stageTimeoutMs)
    us[name] = part.end()
    if ('learned' in verdict) Object.assign(call, verdict.learned)
    if (verdict.kind !== 'pass') return { kind: 'stopped', at: name, verdict, call, us }
  }
  return { kind: 'through', call: call as Known, us }
}

async function judge({ name, stage }: Step, call: Received, timeoutMs: number): Promise<Verdict<object>> {
  try {
    const said = stage(call as never)
    return checked(said instanceof Promise ? await within(said, timeoutMs) : said, name, call)
  } catch (error) {
    return { kind: 'fail', refusal: broken(call.id, error instanceof Error ? error.name : typeof error) }
  }
}

/** Refuses what is no verdict: a bug in a stage must never look like a pass. */
function checked(said: Verdict<object>, name: Part, call: Received): Verdict<object> {
  return isVerdict(said, name, call) ? said : { kind: 'fail', refusal: broken(call.id, 'NotAVerdict') }
}

/** What a verdict may hold, before anybody knows that it is one. */
interface Said {
  readonly kind: unknown
  readonly learned: object
  readonly refusal: Partial<Refusal>
  readonly answer: Partial<Answer> | null
}

function isVerdict(said: Partial<Said> | undefined | null, name: Part, call: Received): boolean {
  switch (said?.kind) {
    case 'pass':
      return addsOnly(said.learned, call)
    case 'refuse':
    case 'fail':
      return isRefusal(said.refusal) && addsOnly(said.learned ?? {}, call)
    case 'answer':
      return name === 'deduplicate' && Array.isArray(said.answer?.content) && addsOnly(said.learned ?? {}, call)
    default:
      return false
  }
}

function isRefusal(refusal: Partial<Refusal> | undefined): boolean {
  return codes.includes(refusal?.denied?.code as never) && typeof refusal?.denied?.message === 'string'
}

function addsOnly(learned: object | undefined, call: object): boolean {
  return typeof learned === 'object' && learned !== null && Object.keys(learned).every((key) => !(key in call))
}

/** A fault that is ours: all the agent learns is which call to quote. */
export function broken(callId: string, cause: string): Refusal {
  return { denied: { code: 'internal', message: `The gateway could not finish this call. Quote ${callId}.` }, cause }
}

/** Settles as the promise does, or rejects with a `StageTimeout` when that takes too long. */
export function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('stage timed out'), { name: 'StageTimeout' })), timeoutMs)
  })
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer))
}
