import { describe, expect, it } from 'vitest'
import type { Keys } from '../../../src/adapters/keys-file.ts'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import { openGrants } from '../../../src/apps/open-grants.ts'
import type { TicketRegister } from '../../../src/ports/tickets.ts'
import { aReceipt } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'

/** A desk with this register, and a request that names CHG-1. */
async function asked(tickets?: TicketRegister) {
  const clock = testClock()
  const desk = await openGrants({
    options: () => ({ principals: [], ...(tickets && { tickets }) }),
    clock,
    keys: { historyKey: new Uint8Array(32) } as Keys,
    log: { append: async () => aReceipt } as never,
    state: memoryState(),
    switchboard: { list: () => [], rightsOf: ({ rights }) => rights, engage: () => Promise.reject(new Error('none')) },
    fault: () => undefined,
  })
  const scopes = ['flags.write:prod']
  const who = { principal: 'agent:release', tenant: 'acme', requestedBy: 'ana' }
  const { id } = await desk.request({ ...who, scopes, reason: 'hotfix', ttlSeconds: 900, ticket: 'CHG-1' })
  return { clock, desk, approved: () => desk.approve(id, { by: 'carla' }) }
}

/** A register that knows these for acme's release agent, and writes down when it was asked. */
function register(known: readonly string[], times: number[] = []): TicketRegister {
  return {
    find: async () => undefined,
    async approvedFor({ tenant, subject }, nowMs) {
      times.push(nowMs)
      return tenant === 'acme' && subject === 'agent:release' ? known : []
    },
    problem: () => undefined,
  }
}

describe('an elevation that names a ticket', () => {
  it.each([
    ['the register knows none of the principal', register([]), /no approved ticket CHG-1 of agent:release/],
    ['the register knows another one', register(['CHG-2']), /no approved ticket CHG-1 of agent:release/],
    ['nobody knows which register counts', undefined, /only a running gateway can ask/],
  ])('is not approved when %s', async (_when, tickets, why) => {
    const { desk, approved } = await asked(tickets)
    await expect(approved()).rejects.toThrow(why)
    expect(desk.elevated('acme', 'agent:release')).toEqual([])
    await desk.close()
  })

  it('is approved while the register knows the ticket as the principal’s at that time', async () => {
    const times: number[] = []
    const { desk, clock, approved } = await asked(register(['CHG-1'], times))
    clock.advance(60_000)
    expect((await approved()).state).toBe('granted')
    expect(times).toEqual([clock.nowMs()])
    expect(desk.elevated('acme', 'agent:release')).toEqual(['flags.write:prod'])
    await desk.close()
  })
})
