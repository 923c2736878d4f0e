import { ToolRefusal, UpstreamError, type ToolContext, type ToolResult } from '../ports/tool.ts'
import type { Invoked, Ready } from './call.ts'
import type { Refusal } from './outcome.ts'
import { haltedBy, queryOf, type Enforced, type Forbids } from './halt.ts'
import { pass, type Stage, type Verdict } from './pipeline.ts'

export interface InvokeParts {
  readonly forbids: Forbids
  readonly enforced: Enforced
  readonly context: (call: Ready, region: string) => ToolContext
  /** Longest a tool may take, milliseconds. */
  readonly timeoutMs: number
}

/**
 * Runs the tool. The switches are read again just before it, because the durable wait lies between, and once more
 * when it answers: a result that arrives after the kill is withheld.
 */
export function invoke(parts: InvokeParts): Stage<Ready, Invoked> {
  return async (call) => {
    const before = halted(parts, call)
    if (before) return before
    const ended = await attempt(parts, call)
    if (ended.kind !== 'pass') return ended
    const after = halted(parts, call)
    return after?.kind === 'refuse' ? { kind: 'fail', refusal: after.refusal } : ended
  }
}

function halted(parts: InvokeParts, call: Ready): Verdict<never> | undefined {
  const stopped = parts.forbids(queryOf(call, call.destination?.domain))
  if (!stopped) return undefined
  parts.enforced(stopped, call)
  return haltedBy(stopped)
}

async function attempt(parts: InvokeParts, call: Ready): Promise<Verdict<Invoked>> {
  try {
    const context = parts.context(call, call.region)
    return pass({ result: await withDeadline(call.checked.invoke(call.sent, context), parts.timeoutMs) })
  } catch (error) {
    if (error instanceof ToolRefusal) return { kind: 'refuse', refusal: refusalOf(error) }
    if (error instanceof UpstreamError) return { kind: 'fail', refusal: failureOf(error) }
    if (error instanceof Late) return { kind: 'fail', refusal: late(call) }
    throw error
  }
}

class Late extends Error {}

function withDeadline(work: Promise<ToolResult>, timeoutMs: number): Promise<ToolResult> {
  let timer: NodeJS.Timeout
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Late('the tool took too long')), timeoutMs)
  })
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer))
}

function refusalOf(error: ToolRefusal): Refusal {
  return {
    denied: { code: error.code, message: error.message, ...(error.field !== undefined && { field: error.field }) },
    cause: 'tool',
  }
}

function failureOf(error: UpstreamError): Refusal {
  const retryAfterMs = error.code === 'upstream_unavailable' ? { retryAfterMs: 1000 } : {}
  return { denied: { code: error.code, message: sentences[error.code], ...retryAfterMs }, cause: error.failure }
}

/** The other end's own words never reach the agent. */
const sentences: Readonly<Record<UpstreamError['code'], string>> = {
  upstream_unavailable: 'The service behind this tool cannot be reached. Nothing was changed; try again later.',
  upstream_failed: 'The service behind this tool failed.',
  outcome_unknown:
    'The service did not answer in time; nobody knows whether the call took effect. Look before you repeat it.',
}

function late(call: Ready): Refusal {
  const code = call.checked.effect === 'read' ? 'upstream_unavailable' : 'outcome_unknown'
  return { denied: { code, message: sentences[code] }, cause: 'timeout' }
}
