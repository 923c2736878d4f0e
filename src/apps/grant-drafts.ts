import type { Question } from '../call/approve.ts'
import type { GrantRequest, OrderSubject, Subject } from '../control/request.ts'
import type { ElevationAsk } from '../identity/elevation.ts'
import type { GrantTable } from './grant-table.ts'

const hourMs = 3_600_000
/** How long a request waits for a person, by what asks. */
export const waitMs = { elevation: 24 * hourMs, configuration: 7 * 24 * hourMs, call: hourMs }
/** How long an approved call may take to be repeated. */
const callTtlMs = hourMs / 4
/** Most requests that wait at one time: of one principal, of one tenant, and of all. */
const pendingMax = { principal: 16, tenant: 200, all: 1_000 }

/** A request before it has an id and a time. */
export interface Draft {
  readonly request: Omit<GrantRequest, 'id' | 'state' | 'askedMs' | 'pendingUntilMs'>
  readonly waitMs: number
}

export function elevationDraft(ask: ElevationAsk, wait: number): Draft {
  const { principal, tenant, scopes, reason, requestedBy, ttlSeconds, ticket, approver } = ask
  const what: Subject = { kind: 'elevation', scopes, ...(ticket !== undefined && { ticket }) }
  const request = { principal, tenant, what, reason, requestedBy, ttlMs: ttlSeconds * 1000 }
  return { request: { ...request, ...(approver !== undefined && { approver }) }, waitMs: wait }
}

export function callDraft({ who, tool, traceId, binding, policy, args, because, reason }: Question): Draft {
  const { id: principal, onBehalfOf } = who.actor
  const what: Subject = { kind: 'call', tool, binding, policy, args, because }
  const { tenant, session } = who
  const request = { principal, tenant, session, traceId, what, reason, requestedBy: principal, ttlMs: callTtlMs }
  return { request: { ...request, ...(onBehalfOf !== undefined && { onBehalfOf }) }, waitMs: waitMs.call }
}

export function orderDraft(wanted: Omit<OrderSubject, 'kind'>, wait: number): Draft {
  const { order, by } = wanted
  const what: Subject = { kind: 'order', ...wanted }
  const tenant = order.tenant ?? 'all'
  const request = { principal: order.target, tenant, what, reason: order.reason, requestedBy: `rule ${by.rule}` }
  return { request: { ...request, ttlMs: order.ttlMs ?? hourMs }, waitMs: wait }
}

/** Why there is no room for another request, or undefined: neither one principal nor one tenant can keep the others from asking. */
export function fullness(table: GrantTable, { request }: Draft): string | undefined {
  if (table.pending() >= pendingMax.all) return `${pendingMax.all} requests wait for a person; decide some first.`
  if (table.pending(request.tenant) >= pendingMax.tenant)
    return `${pendingMax.tenant} requests of ${request.tenant} wait for a person; decide some first.`
  if (table.pending(request.tenant, request.principal) < pendingMax.principal) return undefined
  return `${pendingMax.principal} requests of ${request.principal} wait for a person; decide some first.`
}
