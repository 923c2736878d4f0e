import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import type { Json } from '../../ports/json.ts'
import { checked, ok, type Route } from './route.ts'

/** A change ticket in the bundled register. */
export interface ServiceTicket {
  readonly ticket: string
  readonly tenant: string
  readonly state: 'approved' | 'pending' | 'rejected' | 'closed'
  readonly principal: string
  readonly tools: readonly string[]
  /** ISO 8601, with its zone. */
  readonly expires: string
}

const Query = z.strictObject({ principal: z.string().min(1).max(256).exactOptional() })

/** `GET /tickets?principal=`: the tenant's change tickets, of one principal if one is named. */
export const listTickets: Route = {
  method: 'GET',
  path: /^\/tickets$/,
  writes: false,
  handle(store, { tenant, query }) {
    const asked = checked(Query, query)
    if ('refused' in asked) return asked.refused
    const rows = store
      .prepare('select ticket, tenant, state, principal, tools, expires from tickets where tenant = ? order by ticket')
      .all(tenant)
    const wanted = rows.filter(({ principal }) => (asked.value.principal ?? principal) === principal)
    return ok({ tickets: wanted.map((row) => ({ ...row, tools: JSON.parse(String(row['tools'])) as Json })) })
  },
}

/** Writes a ticket, over one of the same name. */
export function putTicket(
  store: DatabaseSync,
  { ticket, tenant, state, principal, tools, expires }: ServiceTicket,
): void {
  store
    .prepare('insert or replace into tickets values (?, ?, ?, ?, ?, ?)')
    .run(ticket, tenant, state, principal, JSON.stringify(tools), expires)
}
