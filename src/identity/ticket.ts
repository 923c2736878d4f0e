import { z } from 'zod'

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

/** What is wrong with a list, one clause each. */
export function ticketProblems({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.') || 'the list'}: ${message}`).join('; ')
}
