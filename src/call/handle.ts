import type { EvidenceEntry } from '../evidence/record.ts'
import { isReceipt, type EvidenceLog, type Receipt } from '../ports/evidence-log.ts'
import type { Answered, Partly, Received } from './call.ts'
import type { Outcome, Refusal } from './outcome.ts'
import { broken, within, type Run } from './pipeline.ts'
import { together } from './redact.ts'
import type { PolicyVerdict } from '../policy/verdict.ts'
import type { Notes } from './record.ts'
import { wholeCall, type Stages } from './stages.ts'

/** A call that has ended and whose ending is durable; only these are answered. Without a receipt nothing but a refusal is. */
export type Settled =
  | { readonly outcome: Outcome; readonly receipt: Receipt }
  | { readonly outcome: Extract<Outcome, { kind: 'failed' }>; readonly receipt?: undefined }

export interface HandleParts {
  readonly stages: Stages
  readonly log: EvidenceLog
  readonly notes: Notes
  /** Keeps or gives back the idempotency key once the ending is durable. */
  readonly settle: (call: Partly, outcome: Outcome) => Promise<void>
  /** Told of faults that are ours, with what the agent is not told. */
  readonly fault: (call: Received, refusal: Refusal) => void
  readonly stageTimeoutMs: number
  /** Digest of the policy in force. */
  readonly policyDigest: string
}

interface Ending {
  readonly outcome: Outcome
  readonly entry: EvidenceEntry
}

/** Runs one call from arrival to its durable ending. Never throws; a bug ends the call as a recorded refusal. */
export function handler(parts: HandleParts): (call: Received) => Promise<Settled> {
  const calls = wholeCall(parts.stages, parts.stageTimeoutMs)
  return async (received) => {
    try {
      const run = await calls.run(received)
      const settled = await record(parts, run, outcomeOf(run))
      await settle(parts, run.call, settled)
      finish(parts, run.call, settled)
      return settled
    } catch (error) {
      return { outcome: unrecorded(received, error) }
    }
  }
}

function outcomeOf(run: Run<Answered>): Outcome {
  if (run.kind === 'through') return answered(run.call)
  switch (run.verdict.kind) {
    case 'answer':
      return { kind: 'ok', answer: run.verdict.answer, replayOf: run.verdict.replayOf }
    case 'refuse':
      return { kind: 'refused', refusal: run.verdict.refusal }
    case 'fail':
      return { kind: 'failed', refusal: run.verdict.refusal }
  }
}

function answered({ id, answer }: Answered): Outcome {
  if (Array.isArray(answer?.content)) return { kind: 'ok', answer }
  return { kind: 'failed', refusal: broken(id, 'NotAnAnswer') }
}

/** The last stage: nothing is answered before its record is durable. */
async function record(parts: HandleParts, run: Run<Answered>, outcome: Outcome): Promise<Settled> {
  const part = run.call.trace.begin('record')
  try {
    const ending = written(parts, run, outcome)
    const receipt = await within(parts.log.append(ending.entry), parts.stageTimeoutMs)
    if (!isReceipt(receipt)) throw new TypeError('the log gave no receipt')
    return { outcome: ending.outcome, receipt }
  } catch (error) {
    return { outcome: unrecorded(run.call, error) }
  } finally {
    part.end()
  }
}

/** What is written down of the ending. Where that cannot be put into words the call fails, and that much is written down. */
function written({ notes }: HandleParts, { call, us }: Run<Answered>, outcome: Outcome): Ending {
  try {
    return { outcome, entry: notes.ending(call, outcome, us) }
  } catch (error) {
    const { args: _args, sent: _sent, result: _result, ...known }: Partly = call
    const failed = { kind: 'failed', refusal: broken(call.id, causeOf('record', error)) } as const
    return { outcome: failed, entry: notes.ending({ ...known, rawArgs: {} }, failed, {}) }
  }
}

/** A key that cannot be settled stays claimed: a repeat is refused, never run twice. */
async function settle(parts: HandleParts, call: Partly, { outcome }: Settled): Promise<void> {
  try {
    await within(parts.settle(call, outcome), parts.stageTimeoutMs)
  } catch (error) {
    const denied = { code: 'internal', message: 'The idempotency key could not be settled.' } as const
    parts.fault(call, { denied, cause: causeOf('settle', error) })
  }
}

function unrecorded(call: Received, error: unknown): Extract<Outcome, { kind: 'failed' }> {
  return {
    kind: 'failed',
    refusal: {
      denied: {
        code: 'internal',
        message: `The gateway could not record this call, so it gives no answer. Quote ${call.id}.`,
      },
      cause: causeOf('record', error),
    },
  }
}

function causeOf(part: string, error: unknown): string {
  return error instanceof Error ? `${part}: ${error.name}: ${error.message}` : part
}

function finish(parts: HandleParts, call: Partly, { outcome, receipt }: Settled): void {
  const ran = call.result !== undefined || call.intent !== undefined
  call.release?.(outcome.kind === 'ok' ? 'ok' : 'not', ran ? undefined : 0)
  const refusal = outcome.kind === 'ok' ? undefined : outcome.refusal
  if (refusal?.denied.code === 'internal') parts.fault(call, refusal)
  const masked = together(call.found, call.shown)
  call.trace.end({
    ...(call.who && { actorId: call.who.actor.id, actorType: call.who.actor.type, tenant: call.who.tenant }),
    grants: call.who?.rights ?? [],
    decision: outcome.kind === 'refused' ? 'deny' : masked.piiCount > 0 ? 'redact' : 'allow',
    piiCount: masked.piiCount,
    ...(call.idem && { idemKeyDigest: call.idem.keyDigest }),
    ...(call.limits && { budgetUsedUsd: call.limits.budgetUsedMicroUsd / 1e6 }),
    ...(call.limits?.budgetLimitMicroUsd !== undefined && { budgetLimitUsd: call.limits.budgetLimitMicroUsd / 1e6 }),
    ...(ran && { costUsd: call.tool?.costUsd ?? 0 }),
    outcome: outcome.kind,
    ...(refusal && { code: refusal.denied.code }),
    ...(refusal?.denied.limit && { limit: refusal.denied.limit.name }),
    ...(receipt && { evidence: { stream: receipt.stream, seq: receipt.seq } }),
    ...(call.verdict && { policy: policyFacts(parts, call.verdict) }),
    ...(call.found && { found: call.found.kinds }),
    ...(call.shown && { shown: call.shown.kinds }),
  })
}

function policyFacts({ policyDigest }: HandleParts, { rules, shadow }: PolicyVerdict) {
  return { rules, version: policyDigest.slice(0, 16), ...(shadow && { shadow: shadow.effect }) }
}
