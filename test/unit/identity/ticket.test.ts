import { describe, expect, it } from 'vitest'
import { ticketFor, ticketsOf } from '../../../src/identity/ticket.ts'
import type { TicketRegister } from '../../../src/ports/tickets.ts'

/** A register that knows tickets by the principal they are for. */
const registerOf = (known: Readonly<Record<string, readonly string[]>>): TicketRegister => ({
  find: async (ticket, { subject }) => (known[subject]?.includes(ticket) ? ticket : undefined),
  approvedFor: async ({ subject }) => known[subject] ?? [],
  problem: () => undefined,
})

const agent = { tenant: 'acme', subject: 'agent:release', actor: { id: 'agent:release' } }
const acting = { tenant: 'acme', subject: 'user:ana', actor: { id: 'agent:release' } }

describe('a ticket', () => {
  it('counts for the principal it is for', async () => {
    const register = registerOf({ 'agent:release': ['CHG-1'] })
    expect(await ticketFor(register, 'CHG-1', agent, 'flag.set', 0)).toBe('CHG-1')
    expect(await ticketsOf(register, agent, 0)).toEqual(['CHG-1'])
  })

  it.each([
    ['whom it acts for', { 'user:ana': ['CHG-1'] }],
    ['the one who acts', { 'agent:release': ['CHG-1'] }],
    ['neither', {}],
    ['each, but another one', { 'user:ana': ['CHG-1'], 'agent:release': ['CHG-2'] }],
  ])('of one who acts for another counts for nobody when it is that of %s alone', async (_whose, known) => {
    const register = registerOf(known)
    expect(await ticketFor(register, 'CHG-1', acting, 'flag.set', 0)).toBeUndefined()
    expect(await ticketsOf(register, acting, 0)).toEqual([])
  })

  it('of one who acts for another counts where the register has it for both', async () => {
    const register = registerOf({ 'user:ana': ['CHG-0', 'CHG-1'], 'agent:release': ['CHG-1', 'CHG-2'] })
    expect(await ticketFor(register, 'CHG-1', acting, 'flag.set', 0)).toBe('CHG-1')
    expect(await ticketsOf(register, acting, 0)).toEqual(['CHG-1'])
  })
})
