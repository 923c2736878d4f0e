import type { Fingerprint } from '../detection/fingerprint.ts'
import type { KeyedDigest, EvidenceEntry } from '../evidence/record.ts'
import type { Principal } from '../identity/principal.ts'
import type { Json, JsonObject } from '../ports/json.ts'
import type { Partly, Ready } from './call.ts'
import type { Outcome } from './outcome.ts'
import type { Timings } from './pipeline.ts'
import { fitted } from './fit.ts'
import { together } from './redact.ts'

export interface NotesParts {
  /** Keyed digest of arguments or results, under the tenant's key of this month. */
  readonly digest: (tenant: string, value: Json) => KeyedDigest
  /** Exact and near-duplicate fingerprints of the arguments, keyed. */
  readonly fingerprint: (tenant: string, args: Json) => Fingerprint
  readonly policyDigest: () => string
  readonly detectorVersion: string
  readonly registrableDomain: (host: string) => string
  /** True for a text in which the scanner finds nothing personal and no secret. */
  readonly clean: (text: string) => boolean
}

/** Writes down what a call was and how it ended. Digests and counts only: no argument, result or token stands in a record. */
export interface Notes {
  intent(call: Partly): EvidenceEntry
  ending(call: Partly, outcome: Outcome, us: Timings): EvidenceEntry
}

export function notes(parts: NotesParts): Notes {
  return {
    intent: (call) => fitted({ type: 'call.intent', ...common(parts, call), ...decision(parts, call) }),
    ending: (call, outcome, us) => fitted(ending(parts, call, outcome, us)),
  }
}

function ending(parts: NotesParts, call: Partly, outcome: Outcome, us: Timings): EvidenceEntry {
  const result = began(call, outcome) ? resultNote(parts, call, outcome) : undefined
  const known = common(parts, call, outcome)
  return {
    type: result ? 'call.outcome' : 'call.decision',
    ...known,
    ...decision(parts, call, outcome),
    ...(result && { result, ext: { ...known.ext, resultHash: result.digest.slice(0, 16) } }),
    ...dlpNote(parts, call),
    timing: { us: { ...us } },
  }
}

/** True once the tool may have run: then what is recorded is an outcome, else a decision. */
function began(call: Partly, outcome: Outcome): boolean {
  return call.intent !== undefined || call.result !== undefined || outcome.kind !== 'refused'
}

function common(parts: NotesParts, call: Partly, outcome?: Outcome) {
  const { who, trace, limits } = call
  return {
    traceId: trace.traceId,
    spanId: trace.spanId,
    ...(trace.parentSpanId !== undefined && { parentSpanId: trace.parentSpanId }),
    req: call.id,
    ...(who && { session: who.session, tenant: who.tenant, actor: { ...who.actor, ...clientOf(parts, call) } }),
    ...(who && { grants: grantsOf(who) }),
    tool: { name: call.tool?.definition.name ?? '_OTHER', ...(call.tool && { effect: call.tool.effect }) },
    agentPlan: { ...planOf(parts, call), synthetic: !trace.planned },
    ...(limits && { limits: { ...limitsNote(limits), ...limitMet(outcome) } }),
    ...idemNote(call, outcome),
    ...(who && call.args && { args: parts.digest(who.tenant, call.sent ?? call.args) }),
    ...egressNote(parts, call),
    ext: extension(parts, call, outcome),
  }
}

/** Rights in force; those that only an elevation gives say so. */
function grantsOf({ rights, elevated = [] }: Principal): NonNullable<EvidenceEntry['grants']> {
  return rights.map((scope) => ({ scope, ...(elevated.includes(scope) && { jit: true }) }))
}

/** A text of the agent's, where it has the form of a name and nothing is found in it; else a keyed digest, to compare by. */
function tame({ clean, digest }: NotesParts, { who }: Partly, text: string, form: RegExp): string {
  return form.test(text) && clean(text)
    ? text
    : `h:${digest(who?.tenant ?? '', text.toWellFormed()).digest.slice(0, 16)}`
}

function clientOf(parts: NotesParts, call: Partly) {
  return call.client === undefined ? {} : { client: tame(parts, call, call.client, /^[ -~]{1,128}$/) }
}

function idemNote({ idem }: Partly, outcome?: Outcome) {
  if (!idem) return {}
  const replayOf = outcome?.kind === 'ok' ? outcome.replayOf : undefined
  return { idem: { keyDigest: idem.keyDigest, ...(replayOf !== undefined && { replayOf }) } }
}

function planOf(parts: NotesParts, call: Partly) {
  const { plan } = call
  return {
    ...(plan.id !== undefined && { id: tame(parts, call, plan.id, /^[A-Za-z0-9._:-]{1,64}$/) }),
    ...(plan.step !== undefined && { step: plan.step }),
    ...(plan.depth !== undefined && { depth: plan.depth }),
    ...(plan.retry !== undefined && { retry: plan.retry }),
  }
}

function limitsNote(limits: Ready['limits']): NonNullable<EvidenceEntry['limits']> {
  const { budgetLimitMicroUsd, ...rest } = limits
  return { ...rest, ...(budgetLimitMicroUsd !== undefined && { budgetLimitMicroUsd }) }
}

/** Which limit refused the call. */
function limitMet(outcome: Outcome | undefined): { readonly limit?: string } {
  const name = outcome && outcome.kind !== 'ok' ? outcome.refusal.denied.limit?.name : undefined
  return name === undefined ? {} : { limit: name }
}

function decision(
  parts: NotesParts,
  call: Partly,
  outcome?: Outcome,
): { readonly decision: NonNullable<EvidenceEntry['decision']> } {
  const refused = outcome && outcome.kind !== 'ok' ? outcome.refusal : undefined
  const { verdict } = call
  const stopped = outcome?.kind === 'refused' && !call.departed
  const allowed = verdict?.effect === 'allow' && !stopped
  return {
    decision: {
      effect: allowed || outcome?.kind === 'ok' ? 'allow' : 'deny',
      rules: verdict?.rules ?? refused?.rules ?? [],
      bundleDigest: parts.policyDigest(),
      mode: 'enforce',
      ...(verdict?.shadow && { shadowEffect: verdict.shadow.effect, shadowRules: verdict.shadow.rules }),
      ...(verdict &&
        verdict.redact.length > 0 && { obligations: verdict.redact.map(({ field, mode }) => `${mode}:${field}`) }),
      ...(refused && { reasonCode: refused.denied.code }),
    },
  }
}

function resultNote(parts: NotesParts, call: Partly, outcome: Outcome): NonNullable<EvidenceEntry['result']> {
  const shown: Json =
    outcome.kind === 'ok'
      ? (outcome.answer as unknown as JsonObject)
      : (outcome.refusal.denied as unknown as JsonObject)
  const withheld = outcome.kind === 'failed' && call.result !== undefined
  return {
    ...parts.digest(call.who?.tenant ?? '', shown),
    ...(call.result?.rows !== undefined && { rows: call.result.rows }),
    status: outcome.kind === 'ok' && !outcome.answer.isError ? 'ok' : withheld ? 'withheld' : 'error',
    ...(outcome.kind !== 'ok' && { errCode: outcome.refusal.denied.code }),
  }
}

function dlpNote(parts: NotesParts, call: Partly) {
  if (!call.found && !call.shown) return {}
  return { dlp: { ...together(call.found, call.shown), detectorVersion: parts.detectorVersion } }
}

/** A host, unless labels of it carry what must not be kept: then the part that somebody registered. An address stays. */
function hostOf(parts: NotesParts, call: Partly, host: string): string {
  const kept = /^[\d.]+$|:/.test(host) || parts.clean(host)
  return kept ? host : tame(parts, call, parts.registrableDomain(host), /./)
}

function egressNote(parts: NotesParts, call: Partly) {
  const { departed, destination } = call
  if (!destination && !departed) return {}
  const domain = hostOf(parts, call, (departed?.domain ?? destination?.domain ?? '').slice(0, 253))
  return {
    egress: {
      domain,
      ...(departed && { ip: departed.ip, sizeBytes: departed.sentBytes }),
    },
  }
}

/** What detections read beside the schema's own fields. */
function extension(parts: NotesParts, call: Partly, outcome?: Outcome): JsonObject {
  const { who, taint, destination } = call
  const refused = outcome && outcome.kind !== 'ok' ? outcome.refusal : undefined
  return {
    callId: call.id,
    transport: call.transport,
    ...(who && {
      scopesOutsideAllow: who.outsideAllow,
      selfIssued: who.selfIssued,
      ...(who.ttlSec !== undefined && { ttlSec: who.ttlSec }),
    }),
    ...(call.region !== undefined && { region: call.region }),
    ...(taint && taint.tainted && { taint: taint as unknown as JsonObject }),
    ...(call.markers !== undefined && call.markers > 0 && { resultMarkers: call.markers }),
    ...fingerprints(parts, call),
    ...(!call.tool && { toolHash: tame(parts, call, call.toolName, /^$/) }),
    // Whoever waits for a person was told to come back.
    ...((call.tool?.polling || refused?.resume) && { polling: true }),
    ...(call.intent && outcome && { intentSeq: call.intent.seq }),
    ...(destination && { registrableDomain: hostOf(parts, call, parts.registrableDomain(destination.domain)) }),
    ...(call.approval && { approval: call.approval.id, approver: call.approval.approver }),
    ...(refused?.resume && { approvalRequest: refused.resume.request }),
    ...(refused?.switchId !== undefined && { switchId: refused.switchId }),
    ...(refused?.cause !== undefined && { cause: refused.cause.slice(0, 120) }),
  }
}

function fingerprints(parts: NotesParts, { who, args, rawArgs }: Partly): JsonObject {
  if (!who) return {}
  const { hash16, simhash16 } = parts.fingerprint(who.tenant, args ?? rawArgs)
  return { argsHash: hash16, argsSimhash: simhash16 }
}
