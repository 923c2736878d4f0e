import type { GrantRequest } from '../control/request.ts'
import type { Actor, EvidenceEntry, Grant, RecordType } from '../evidence/record.ts'
import type { EvidenceLog, Receipt } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'

type Step = Extract<RecordType, `grant.${'request' | 'approve' | 'deny' | 'expire' | 'spend'}`>

/** Writes one step of a request down; `refused` is why something that was wanted of it did not happen. */
export type WriteStep = (type: Step, request: GrantRequest, refused?: string) => Promise<Receipt>

export interface StepParts {
  readonly log: Pick<EvidenceLog, 'append'>
  /** Makes a person's sentence fit for evidence. */
  readonly tame: (tenant: string, text: string) => string
}

export function stepWriter({ log, tame }: StepParts): WriteStep {
  return (type, request, refused) => log.append(grantStep(type, request, (text) => tame(request.tenant, text), refused))
}

/**
 * One step of a request, in the tenant of whom it is for. Arguments stay out of it: the digest that the approval is bound
 * to stands for them. `tame` makes a person's sentence fit to keep.
 */
function grantStep(type: Step, request: GrantRequest, tame: (text: string) => string, refused?: string): EvidenceEntry {
  const { tenant, what, endsMs, session, traceId } = request
  return {
    type,
    tenant,
    ...(session !== undefined && { session }),
    ...(traceId !== undefined && { traceId }),
    actor: actorOf(type, request),
    ...(what.kind === 'elevation' && { grants: what.scopes.map((scope) => grantOf(scope, what.ticket, endsMs)) }),
    ...(what.kind === 'call' && { tool: { name: what.tool } }),
    ext: {
      ...common(request, tame),
      ...detail(request),
      ...changeOf(type, request),
      ...(refused !== undefined && { refused: tame(refused) }),
    },
  }
}

/** What became of the rights of an elevation, as detections read it. */
function changeOf(type: Step, { what, decidedBy, endsMs }: GrantRequest): JsonObject {
  if (what.kind !== 'elevation' || type === 'grant.request') return {}
  if (type === 'grant.approve') return { change: 'added', issuedBy: 'operator' }
  return endsMs === undefined ? {} : { change: 'removed', issuedBy: decidedBy === undefined ? 'gateway' : 'operator' }
}

function grantOf(scope: string, ticket: string | undefined, endsMs: number | undefined): Grant {
  return { scope, jit: true, ...(ticket !== undefined && { ticket }), ...(endsMs !== undefined && { exp: endsMs }) }
}

/** Whoever takes the step: who asks, the person who decides, or the one whose approval is used or runs out. */
function actorOf(type: Step, { principal, requestedBy, decidedBy, onBehalfOf }: GrantRequest): Actor {
  if (type === 'grant.request' && requestedBy !== principal) return { id: requestedBy, type: 'operator' }
  if ((type === 'grant.approve' || type === 'grant.deny') && decidedBy !== undefined)
    return { id: decidedBy, type: 'operator' }
  return { id: principal, type: kindOf(principal), ...(onBehalfOf !== undefined && { onBehalfOf }) }
}

function kindOf(name: string): Actor['type'] {
  const [kind] = name.split(':', 1)
  return kind === 'user' || kind === 'service' || kind === 'mcp' ? kind : 'agent'
}

function common(request: GrantRequest, tame: (text: string) => string): JsonObject {
  const { id, what, principal, requestedBy, approver, decidedBy, note, reason, ttlMs, pendingUntilMs, state } = request
  return {
    grantId: id,
    kind: what.kind,
    subject: principal,
    state,
    requestedBy,
    reason: tame(reason),
    ttlMs,
    pendingUntilMs,
    ...(approver !== undefined && { approver }),
    ...(decidedBy !== undefined && { decidedBy }),
    ...(note !== undefined && { note: tame(note) }),
  }
}

function detail({ what, endsMs }: GrantRequest): JsonObject {
  const until: JsonObject = endsMs === undefined ? {} : { endsMs }
  if (what.kind === 'elevation') return until
  if (what.kind === 'call') return { ...until, binding: what.binding, policy: what.policy, because: what.because }
  return { ...until, rule: what.by.rule, alert: what.alert, switchKind: what.order.kind, target: what.order.target }
}
