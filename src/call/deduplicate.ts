import type { Principal } from '../identity/principal.ts'
import type { Clock } from '../ports/clock.ts'
import type { Json, JsonObject } from '../ports/json.ts'
import { StateFull, type Claim, type StateStore } from '../ports/state-store.ts'
import type { Decided, Deduplicated, Identified, Partly, Received, Validated } from './call.ts'
import type { Answer, Outcome } from './outcome.ts'
import { pass, refuse, type Stage, type Verdict } from './pipeline.ts'

const keepMs = 24 * 3600 * 1000

type Known = Received & Identified & Validated & Decided

export interface DeduplicateParts {
  readonly state: StateStore
  readonly clock: Clock
  /** Keyed digest of anything, per tenant, hex. Idempotency keys are chosen by clients, so they are never stored as they are. */
  readonly digest: (tenant: string, value: Json) => string
}

export interface Idempotency {
  readonly stage: Stage<Known, Deduplicated>
  /** Keeps the answer of a call, or gives its key back, once its ending is durable. */
  settle(call: Partly, outcome: Outcome): Promise<void>
}

/**
 * Asks whether a write was done already. A key is bound to tenant, tool and arguments, and to who the caller is and what it may
 * see in clear: whoever differs in any of these is refused, and neither repeats the write nor reads the answer of another.
 * It lives 24 hours. Where the call goes is no part of it: see docs/decisions/idempotency-key.md.
 */
export function deduplicate(parts: DeduplicateParts): Idempotency {
  return { stage: (call) => claim(parts, call), settle: (call, outcome) => settle(parts, call, outcome) }
}

async function claim({ state, clock, digest }: DeduplicateParts, call: Known): Promise<Verdict<Deduplicated>> {
  if (!call.checked.needsIdemKey) return pass({})
  const { idemKey, ...body } = call.args
  if (typeof idemKey !== 'string') {
    return refuse({
      code: 'idempotency_key_required',
      message: 'This tool changes things: pass a UUID in idemKey, the same one when you repeat the call.',
      field: 'idemKey',
    })
  }
  const tool = call.checked.definition.name
  // Services dedupe on it, so it names the tool too: one key given to two tools is two operations.
  const keyDigest = digest(call.who.tenant, [tool, idemKey])
  const storeKey = `${call.who.tenant}/${tool}/${keyDigest}`
  const idem = { storeKey, keyDigest }
  const found = await claimed(state, storeKey, digest(call.who.tenant, [...reader(call.who), body]), clock.nowMs())
  switch (found.kind) {
    case 'full':
      return refuse(
        {
          code: 'internal',
          message: 'No more idempotency keys can be kept just now, so nothing may be changed. Reads still work.',
          retryAfterMs: 60_000,
        },
        { cause: found.why },
      )
    case 'new':
      return pass({ idem })
    case 'done':
      return repeat(found.answer, idem)
    case 'running':
      return refuse({
        code: 'idempotency_conflict',
        message: 'The same call is still running.',
        field: 'idemKey',
        retryAfterMs: 1000,
      })
    case 'conflict':
      return refuse({
        code: 'idempotency_conflict',
        message: 'This idemKey was used with other arguments, rights or by another caller. Take a new one.',
        field: 'idemKey',
      })
    case 'unknown':
      return refuse({
        code: 'outcome_unknown',
        message:
          'An earlier call with this idemKey was cut off; nobody knows whether it took effect. Look before you repeat it.',
        field: 'idemKey',
      })
  }
}

/** A key that cannot be kept cannot keep a repeat from being done twice: so it is refused, and nothing is evicted for it. */
async function claimed(
  state: StateStore,
  ...claim: Parameters<StateStore['claim']>
): Promise<Claim | { readonly kind: 'full'; readonly why: string }> {
  try {
    return await state.claim(...claim)
  } catch (error) {
    if (error instanceof StateFull) return { kind: 'full', why: error.message }
    throw error
  }
}

/** Who may read an answer again: the same caller, acting for the same subject, seeing no less in clear. */
function reader({ issuer, subject, actor, rights }: Principal): readonly Json[] {
  return [issuer, subject, actor.id, rights.filter((scope) => scope.endsWith(':unmasked')).toSorted()]
}

function repeat(stored: JsonObject, idem: NonNullable<Deduplicated['idem']>): Verdict<never> {
  const { callId, answer } = stored as unknown as { readonly callId: string; readonly answer: Answer }
  const [first, ...rest] = answer.content
  const told = first?.type === 'text' ? `OK (idempotent): ${first.text}` : 'OK (idempotent)'
  const content = [{ type: 'text' as const, text: told }, ...(first?.type === 'text' ? rest : answer.content)]
  return { kind: 'answer', answer: { ...answer, content }, replayOf: callId, learned: { idem } }
}

async function settle({ state, clock }: DeduplicateParts, call: Partly, outcome: Outcome): Promise<void> {
  // A repeat claimed nothing: the key stays as the first call left it.
  if (!call.idem || (outcome.kind === 'ok' && outcome.replayOf !== undefined)) return
  const { storeKey } = call.idem
  if (outcome.kind === 'ok') {
    const stored = { callId: call.id, answer: outcome.answer as unknown as JsonObject }
    return state.settle(storeKey, stored, clock.nowMs() + keepMs)
  }
  return tookEffect(call, outcome) ? state.doubt(storeKey) : state.release(storeKey)
}

/** Once the intent is durable, only the other end's own word that nothing happened gives the key back. */
function tookEffect(call: Partly, outcome: Outcome): boolean {
  return (
    call.intent !== undefined && outcome.kind === 'failed' && outcome.refusal.denied.code !== 'upstream_unavailable'
  )
}
