import { z } from 'zod'
import type { TicketRegister } from '../ports/tickets.ts'
import type { Principal } from './principal.ts'

/** A change ticket, as a register writes it. */
export interface Ticket {
  readonly ticket: string
  readonly state: 'approved' | 'pending' | 'rejected' | 'closed'
  /** Who may use it, one exact name. */
  readonly principal: string
  /** Narrows it to one tenant. */
  readonly tenant?: string
  /** Which tools it covers, by exact name. */
  readonly tools: readonly string[]
  /** Milliseconds since the epoch. */
  readonly expires: number
}

const name = z
  .string()
  .min(1)
  .max(256)
  .refine((text) => !text.includes('*'), 'is a wildcard; name each one')

const Ticket: z.ZodType<Ticket> = z.strictObject({
  ticket: name,
  state: z.enum(['approved', 'pending', 'rejected', 'closed']),
  principal: name,
  tenant: name.exactOptional(),
  tools: z.array(name).min(1).max(100),
  expires: z.iso
    .datetime({ offset: true, error: 'is no time such as 2026-12-31T18:00:00Z' })
    .transform((text) => Date.parse(text)),
})

/** The schema of a register's list. Refuses unknown fields, wildcards, and times without a zone. */
export const Tickets: z.ZodType<readonly Ticket[]> = z.array(Ticket).max(10_000)

/** True for a ticket that is approved, unexpired, and this principal's. */
export function countsFor(
  ticket: Ticket,
  who: { readonly tenant: string; readonly subject: string },
  nowMs: number,
): boolean {
  return (
    ticket.state === 'approved' &&
    nowMs < ticket.expires &&
    ticket.principal === who.subject &&
    (ticket.tenant ?? who.tenant) === who.tenant
  )
}

/** Who uses a ticket: whose rights a credential carries, and who acts. */
type Caller = Pick<Principal, 'tenant' | 'subject'> & { readonly actor: Pick<Principal['actor'], 'id'> }

/** Whoever acts for another needs a ticket of both: neither may lend the other's. */
const holdersOf = ({ tenant, subject, actor }: Caller) =>
  [...new Set([subject, actor.id])].map((name) => ({ tenant, subject: name }))

/** The ticket's own name, when it counts for this caller and this tool. */
export async function ticketFor(
  register: Pick<TicketRegister, 'find'>,
  ticket: string,
  who: Caller,
  tool: string,
  nowMs: number,
): Promise<string | undefined> {
  const found = holdersOf(who).map((holder) => register.find(ticket, holder, tool, nowMs))
  const [own, ...others] = await Promise.all(found)
  return others.every((other) => other === own) ? own : undefined
}

/** Every ticket that counts for this caller now, whatever the tool. */
export async function ticketsOf(
  register: Pick<TicketRegister, 'approvedFor'>,
  who: Caller,
  nowMs: number,
): Promise<readonly string[]> {
  const [own = [], ...others] = await Promise.all(holdersOf(who).map((holder) => register.approvedFor(holder, nowMs)))
  return own.filter((ticket) => others.every((other) => other.includes(ticket)))
}

/** What is wrong with a list, one clause each. */
export function ticketProblems({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.') || 'the list'}: ${message}`).join('; ')
}
