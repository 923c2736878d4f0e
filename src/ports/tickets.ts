/** One principal of one tenant, by exact name. */
export interface TicketHolder {
  readonly tenant: string
  readonly subject: string
}

/**
 * Change tickets, as their register knows them.
 *
 * Promises: a ticket counts only while the register says that it is approved, unexpired, and for this principal and this
 * tool; whatever is unknown, unreadable or out of date does not count.
 */
export interface TicketRegister {
  /** The ticket's own name when it counts. */
  find(ticket: string, who: TicketHolder, tool: string, nowMs: number): Promise<string | undefined>
  /** Every ticket that counts for this principal now, whatever the tool. */
  approvedFor(who: TicketHolder, nowMs: number): Promise<readonly string[]>
  /** Why no ticket counts at the moment, or undefined while the register can be read. */
  problem(): string | undefined
}
