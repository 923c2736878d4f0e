import type { EvidenceLog, Receipt } from '../ports/evidence-log.ts'
import type { Answered, Partly, Received } from './call.ts'
import type { Outcome, Refusal } from './outcome.ts'
import type { Run } from './pipeline.ts'
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

/** Runs one call from arrival to its durable ending. Never throws; a bug ends the call as a recorded refusal. */
export function handler(parts: HandleParts): (call: Received) => Promise<Settled> {
  const calls = wholeCall(parts.stages, parts.stageTimeoutMs)
  return async (received) => {
    const run = await calls.run(received)
    const outcome = outcomeOf(run)
    const settled = await record(parts, run, outcome)
    await settle(parts, run.call, settled)
    finish(parts, run.call, settled)
    return settled
  }
}

function outcomeOf(run: Run<Answered>): Outcome {
  if (run.kind === 'through') return { kind: 'ok', answer: run.call.answer }
  switch (run.verdict.kind) {
    case 'answer':
      return { kind: 'ok', answer: run.verdict.answer, replayOf: run.verdict.replayOf }
    case 'refuse':
      return { kind: 'refused', refusal: run.verdict.refusal }
    case 'fail':
      return { kind: 'failed', refusal: run.verdict.refusal }
  }
}

/** The last stage: nothing is answered before its record is durable. */
async function record(parts: HandleParts, run: Run<Answered>, outcome: Outcome): Promise<Settled> {
  const part = run.call.trace.begin('record')
  try {
    return { outcome, receipt: await parts.log.append(parts.notes.ending(run.call, outcome, run.us)) }
  } catch (error) {
    return { outcome: unrecorded(run.call, error) }
  } finally {
    part.end()
  }
}

/** A key that cannot be settled stays claimed: a repeat is refused, never run twice. */
async function settle(parts: HandleParts, call: Partly, { outcome }: Settled): Promise<void> {
  try {
    await parts.settle(call, outcome)
  } catch (error) {
    const cause = error instanceof Error ? `settle: ${error.name}: ${error.message}` : 'settle'
    parts.fault(call, { denied: { code: 'internal', message: 'The idempotency key could not be settled.' }, cause })
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
      cause: error instanceof Error ? `record: ${error.name}: ${error.message}` : 'record',
    },
  }
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
    outcome: outcome.kind,
    ...(refusal && { code: refusal.denied.code }),
    ...(receipt && { evidence: { stream: receipt.stream, seq: receipt.seq } }),
    ...(call.verdict && { policy: policyFacts(parts, call.verdict) }),
    ...(call.found && { found: call.found.kinds }),
    ...(call.shown && { shown: call.shown.kinds }),
  })
}

function policyFacts({ policyDigest }: HandleParts, { rules, shadow }: PolicyVerdict) {
  return { rules, version: policyDigest.slice(0, 16), ...(shadow && { shadow: shadow.effect }) }
}
