import { isReceipt } from '../ports/evidence-log.ts'
import type { Departed, ToolContext, ToolResult } from '../ports/tool.ts'
import type { Invoked, Left, Ready } from './call.ts'
import type { Refusal } from './outcome.ts'
import { endingOf, failureOf } from './failure.ts'
import { haltedBy, queryOf, stops, type Enforced, type Forbids } from './halt.ts'
import { pass, type Stage, type Verdict } from './pipeline.ts'

/** What one invocation may reach, and what it did. */
export interface Reach {
  readonly context: ToolContext
  /** What has left for another party by now. */
  readonly departed: () => Departed | undefined
}

export interface InvokeParts {
  readonly forbids: Forbids
  readonly enforced: Enforced
  readonly reach: (call: Ready, region: string) => Reach
  /** Longest a tool may take, milliseconds. Then its signal is aborted. */
  readonly timeoutMs: number
  /** How long an aborted tool has to say what became of its work, milliseconds. */
  readonly graceMs?: number
}

/**
 * Runs the tool. The switches are read again just before it, because the durable wait lies between, and once more
 * when it answers: a result that arrives after the kill is withheld.
 */
export function invoke(parts: InvokeParts): Stage<Ready, Invoked> {
  return async (call) => {
    if (!isReady(call)) throw new Error('a gate passed without having done its work')
    const before = halted(parts, call)
    if (before) return before
    const late = new AbortController()
    const reach = parts.reach({ ...call, signal: AbortSignal.any([call.signal, late.signal]) }, call.region)
    const ended = await attempt(parts, call, reach.context, late)
    return withDeparted(afterwards(parts, call, ended), reach.departed())
  }
}

/** A result that arrives after the kill is withheld. A call that was never sent was perhaps kept back by a switch: that says why. */
function afterwards(parts: InvokeParts, call: Ready, ended: Verdict<Invoked>): Verdict<Invoked> {
  const unsent = ended.kind === 'fail' && ended.refusal.denied.code === 'upstream_unavailable'
  const after = unsent || ended.kind === 'pass' ? halted(parts, call) : undefined
  if (after?.kind !== 'refuse') return ended
  return unsent ? after : { kind: 'fail', refusal: after.refusal }
}

/** Checked here once more, because from here on something happens: nothing unjudged, and no effect without its intent. */
function isReady({ who, limits, verdict, approval, checked, idem, intent }: Ready): boolean {
  const allowed = verdict?.effect === 'allow' && (!verdict.approval || approval !== undefined)
  const judged = who !== undefined && limits !== undefined && allowed
  return judged && (checked.effect === 'read' || isReceipt(intent)) && (!checked.needsIdemKey || idem !== undefined)
}

function halted(parts: InvokeParts, call: Ready): Verdict<never> | undefined {
  const stopped = parts.forbids(queryOf(call, call.destination?.domain))
  if (!stops(stopped, call)) return undefined
  parts.enforced(stopped, call)
  return haltedBy(stopped)
}

/** Bytes that left are part of the call's story, however it ends: a hostile answer must not make them unsaid. */
function withDeparted(verdict: Verdict<Invoked>, departed: Departed | undefined): Verdict<Invoked> {
  if (!departed || verdict.kind === 'answer') return verdict
  const left: Left = { departed }
  return verdict.kind === 'pass' ? pass({ ...verdict.learned, ...left }) : { ...verdict, learned: left }
}

async function attempt(
  parts: InvokeParts,
  call: Ready,
  context: ToolContext,
  late: AbortController,
): Promise<Verdict<Invoked>> {
  try {
    return pass({ result: await withDeadline(call.checked.invoke(call.sent, context), parts, late) })
  } catch (error) {
    if (error instanceof Late) return { kind: 'fail', refusal: tooLate(call) }
    const ending = endingOf(error)
    if (ending) return ending
    throw error
  }
}

class Late extends Error {}

/** How long an aborted tool has to say what became of its work, milliseconds, unless told otherwise. */
const graceOfMs = 250

/**
 * At the deadline the tool's signal is aborted, so that nothing goes on in its name. What it says then still counts: a call
 * that waited for a place was never sent, and one that is done is done. A tool that says nothing is left behind.
 */
async function withDeadline(
  work: Promise<ToolResult>,
  { timeoutMs, graceMs = graceOfMs }: InvokeParts,
  late: AbortController,
): Promise<ToolResult> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      late.abort(new DOMException('the tool took too long', 'TimeoutError'))
      timer = setTimeout(() => reject(new Late('the tool took too long')), graceMs)
    }, timeoutMs)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** A read that is late changed nothing; of anything else nobody knows. */
function tooLate({ checked }: Ready): Refusal {
  return failureOf(checked.effect === 'read' ? 'upstream_unavailable' : 'outcome_unknown', 'timeout')
}
