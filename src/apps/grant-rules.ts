import type { IssuedBy } from '../control/command.ts'
import { OrderRefused, type OrderRequest } from '../control/order.ts'
import { approvalProblem, GrantRefused, PersonName, type GrantRequest } from '../control/request.ts'
import type { GrantTable } from './grant-table.ts'

/** What the gateway around the desk has to say about requests. */
export interface GrantRules {
  /** Every scope that a tool asks for; undefined where nobody knows which tools there are. */
  readonly scopes: () => readonly string[] | undefined
  /** Scopes a principal is denied whatever it is granted. */
  readonly denied: (principal: string) => readonly string[]
  /** Why approvals of these scopes are stopped by a kill switch at the moment. */
  readonly halted: (tenant: string, principal: string, scopes: readonly string[]) => string | undefined
  /** Why a change ticket does not count for this principal, as its register has it. */
  readonly ticket: (tenant: string, principal: string, ticket: string) => Promise<string | undefined>
  /** Engages the switch a detection asked for, once for one request: a person approved it, or nobody answered a rule that goes on without one. */
  readonly order: (id: string, order: OrderRequest, by: IssuedBy) => Promise<unknown>
}

/** Why this person may not approve this request now, or undefined. */
export async function approvalRefusal(
  rules: GrantRules,
  table: GrantTable,
  request: GrantRequest,
  by: string,
): Promise<string | undefined> {
  const refusal = personProblem(by) ?? notOpen(table, request) ?? approvalProblem(request, by)
  // The register may take its time: what can change meanwhile is asked after it.
  return refusal ?? (await ticketProblem(rules, request)) ?? notOpen(table, request) ?? halted(rules, request)
}

/** Why this person cannot deny this request, or end what it granted; undefined when they can. */
export function denialRefusal(request: GrantRequest, by: string): string | undefined {
  return personProblem(by) ?? notEndable(request)
}

/** A switch that was engaged is released as a switch: ending the paper would not end the stop. */
function notEndable({ state, what }: GrantRequest): string | undefined {
  if (state !== 'pending' && state !== 'granted') return `it is ${state} already`
  if (state === 'pending' || what.kind !== 'order') return undefined
  return 'its switch is engaged; release that with `sluicegate switch release`'
}

function notOpen(table: GrantTable, { id, state }: GrantRequest): string | undefined {
  if (state !== 'pending') return `it is ${state} already`
  return table.remainingMs(id) > 0 ? undefined : 'its time to be decided is over'
}

function halted({ halted: stopped }: GrantRules, { what, tenant, principal }: GrantRequest): string | undefined {
  return what.kind === 'elevation' ? stopped(tenant, principal, what.scopes) : undefined
}

/** Engages the switch of a request, if that is what it asks for. Rejects with `GrantRefused` when it cannot be engaged. */
export async function engaged({ order }: GrantRules, { id, what }: GrantRequest, by: string): Promise<void> {
  if (what.kind !== 'order') return
  try {
    await order(id, what.order, { kind: 'operator', name: by })
  } catch (error) {
    if (error instanceof OrderRefused) throw new GrantRefused('refused', error.message)
    throw error
  }
}

/** Engages the switch that a rule wants when nobody answers; says why the order was refused, if it was. */
export async function unanswered(
  { order }: Pick<GrantRules, 'order'>,
  { id, what, state }: GrantRequest,
): Promise<string | undefined> {
  if (what.kind !== 'order' || state !== 'pending' || what.unanswered !== 'enforce') return undefined
  try {
    await order(id, what.order, what.by)
    return undefined
  } catch (error) {
    if (error instanceof OrderRefused) return error.message
    throw error
  }
}

/** Whoever approves relies on the ticket it names: one that its register does not confirm is worth nothing. */
async function ticketProblem({ ticket }: GrantRules, { what, tenant, principal }: GrantRequest) {
  if (what.kind !== 'elevation' || what.ticket === undefined) return undefined
  return ticket(tenant, principal, what.ticket)
}

function personProblem(by: string): string | undefined {
  const read = PersonName.safeParse(by)
  return read.success ? undefined : `the approver ${read.error.issues[0]?.message ?? 'has no name'}`
}
