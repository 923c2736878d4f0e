import type { Principal } from '../identity/principal.ts'
import type { Json, JsonObject } from '../ports/json.ts'
import type { Approved, Decided, Identified, Received, Validated } from './call.ts'
import { haltedBy, queryOf, type Enforced, type Forbids, type Halted } from './halt.ts'
import type { Denied } from './outcome.ts'
import { pass, refuse, type Stage, type Verdict } from './pipeline.ts'
import type { RequestStates } from './request-state.ts'

/** One call that needs a person's word. */
export interface Question {
  readonly who: Principal
  readonly tool: string
  readonly traceId: string
  /** Digest of everything an approval of it is for. */
  readonly binding: string
  readonly policy: string
  /** The arguments, fit to be shown to a person. */
  readonly args: JsonObject
  /** Rules and switches that ask. */
  readonly because: readonly string[]
  readonly reason: string
}

export type Approval =
  /** A person approved this very call; the approval is spent, durably, and will never count again. */
  | { readonly kind: 'spent'; readonly id: string; readonly approver: string }
  | { readonly kind: 'pending'; readonly id: string }
  | { readonly kind: 'denied'; readonly id: string }
  /** Too many requests wait already. */
  | { readonly kind: 'full' }

/** Spends the approval of a call, or opens a request for one. Of any number that ask at once about one approval, one gets it. */
export type AskApproval = (question: Question) => Promise<Approval>

export interface ApproveParts {
  readonly ask: AskApproval
  readonly forbids: Forbids
  readonly enforced: Enforced
  /** Keyed digest, per tenant. */
  readonly digest: (tenant: string, value: Json) => string
  /** The arguments as a person may see them: masked, and cut where nobody would read on. */
  readonly show: (tenant: string, args: JsonObject) => JsonObject
  readonly policyDigest: string
  readonly states: RequestStates
}

type Known = Received & Identified & Validated & Decided

/** How long to wait before the same call is worth repeating, milliseconds: as long as the stop rules remember a failed one. */
const retryAfterMs = 60_000

/**
 * Asks for a person's approval of exactly this call, where a rule or a switch says so. An approval is bound to who calls,
 * the tool, the arguments as they were judged, the region they go to, and the policy (or switch) that asked; it is spent
 * here, before anything outside can change, so that a crash never lets it count twice.
 */
export function approve(parts: ApproveParts): Stage<Known, Approved> {
  return async (call) => {
    const stopped = parts.forbids(queryOf(call))
    const byswitch = stopped?.kind === 'approval' ? stopped : undefined
    if (!call.verdict.approval && !byswitch) return pass({})
    // What is stopped anyway uses nothing up.
    if (stopped && !byswitch) return stoppedBy(parts, call, stopped)
    const question = questionOf(parts, call, byswitch)
    const stray = await parts.states.refusal(call, question.binding)
    if (stray !== undefined) return refuse({ code: 'invalid_arguments', message: stray, field: 'requestState' })
    const approval = await parts.ask(question)
    if (approval.kind === 'spent') return pass({ approval: approvalOf(approval, byswitch) })
    if (byswitch) parts.enforced(byswitch, call)
    return refused(parts, call, question, approval, byswitch)
  }
}

function stoppedBy({ enforced }: ApproveParts, call: Known, halted: Halted): Verdict<never> {
  enforced(halted, call)
  return haltedBy(halted)
}

function approvalOf({ id, approver }: Extract<Approval, { kind: 'spent' }>, byswitch: Halted | undefined) {
  return { id, approver, ...(byswitch && { switchId: byswitch.switchId }) }
}

/**
 * What a person is asked. The key that tells repeats apart stays out: nobody judges it, and one approval passes one call
 * whatever its key. A switch asks anew: what was approved before it was pulled counts no more.
 */
function questionOf(parts: ApproveParts, call: Known, byswitch: Halted | undefined): Question {
  const { who, checked, judged, verdict, region } = call
  const { idemKey: _key, ...args } = judged
  const tool = checked.definition.name
  const asked = [verdict.approval?.rules ?? [], byswitch?.switchId ?? '']
  const bound = [who.issuer, who.subject, who.actor.id, tool, args, region, parts.policyDigest, asked]
  return {
    who,
    tool,
    traceId: call.trace.traceId,
    binding: parts.digest(who.tenant, ['approval', ...bound] as Json),
    policy: parts.policyDigest,
    args: parts.show(who.tenant, args),
    because: [...(verdict.approval?.rules ?? []), ...(byswitch ? [`switch ${byswitch.switchId}`] : [])],
    reason: verdict.approval?.reason ?? 'calls that change something need a person’s approval for now',
  }
}

function refused(
  parts: ApproveParts,
  call: Known,
  question: Question,
  approval: Exclude<Approval, { kind: 'spent' }>,
  byswitch: Halted | undefined,
): Verdict<never> {
  const more = {
    ...(call.verdict.approval && { rules: call.verdict.rules }),
    ...(byswitch && { switchId: byswitch.switchId }),
  }
  if (approval.kind !== 'pending') return refuse(hopeless(approval, question), more)
  return refuse(waiting(question, approval.id), {
    ...more,
    resume: { requestState: parts.states.mint(call, question.binding, approval.id), request: approval.id },
  })
}

function waiting({ reason }: Question, id: string): Denied {
  return {
    code: 'approval_required',
    message: `Denied: ${reason}. Request ${id} waits for a person; once it is approved, this very call passes once.`,
    retryAfterMs,
    elevate: {
      request: id,
      how: `Tell a person to approve ${id}, then repeat the call with the same arguments. Changed ones need a new approval.`,
    },
  }
}

function hopeless(approval: Exclude<Approval, { kind: 'spent' | 'pending' }>, { reason }: Question): Denied {
  if (approval.kind === 'denied')
    return { code: 'policy_denied', message: `Denied: a person refused this call (${approval.id}). Do something else.` }
  return {
    code: 'approval_required',
    message: `Denied: ${reason}, and too many requests of yours wait for a person already. Let those be decided first.`,
    retryAfterMs,
  }
}
