import { Server } from '@modelcontextprotocol/server'
import { describe, expect, it } from 'vitest'
import { idleMsMax, mcpSessions } from '../../../src/server/sessions.ts'
import { someone } from '../../support/calls.ts'

function table() {
  const clock = { ms: 0 }
  let opened = 0
  const id = () => `s${(opened += 1)}`
  const sessions = mcpSessions({ sessionsMax: 6, perTenantMax: 5, perPrincipalMax: 3, nowMs: () => clock.ms, id })
  const prepare = (subject: string, tenant = 'acme') => {
    const server = new Server({ name: 'test', version: '1' }, { capabilities: {} })
    return sessions.prepare({ ...someone, subject, tenant }, undefined, server)
  }
  const open = async (subject: string, tenant?: string) => {
    const session = await prepare(subject, tenant)
    return session && sessions.keep(session) ? session.id : undefined
  }
  return { clock, sessions, prepare, open }
}

describe('the sessions of a listener', () => {
  it('leave room for others, however many one principal asks for', async () => {
    const { open } = table()
    const greedy = await Promise.all(Array.from({ length: 10 }, () => open('greedy')))
    expect(greedy.filter((id) => id !== undefined)).toHaveLength(3)
    expect(await open('honest')).toBeDefined()
  })

  it('make room from the principal’s own, once one of them is idle', async () => {
    const { clock, sessions, open } = table()
    const other = await open('other')
    clock.ms += 1
    const [first] = [await open('busy'), await open('busy'), await open('busy')]
    clock.ms += idleMsMax
    expect(await open('busy')).toBeDefined()
    expect(sessions.find(first ?? '', { ...someone, subject: 'busy' })).toBeUndefined()
    expect(sessions.find(other ?? '', { ...someone, subject: 'other' })).toBeDefined()
  })

  it('take nobody’s place before they are kept, and then no more than there are', async () => {
    const { clock, sessions, prepare, open } = table()
    const own = [await open('busy'), await open('busy'), await open('busy')]
    clock.ms += idleMsMax
    const [one, two] = [await prepare('busy'), await prepare('busy')]
    const there = () => own.filter((id) => sessions.find(id ?? '', { ...someone, subject: 'busy' }))
    expect(there()).toEqual(own)
    expect(sessions.find(one?.id ?? '', { ...someone, subject: 'busy' })).toBeUndefined()
    expect(one && sessions.keep(one)).toBe(true)
    expect(there()).toEqual(own.slice(1))
    for (const id of own.slice(1)) sessions.touch({ id } as never)
    expect(two && sessions.keep(two)).toBe(false)
    expect(there()).toEqual(own.slice(1))
  })

  it('belong to who opened them, and to nobody else who acts for the same principal', async () => {
    const { sessions, open } = table()
    const id = (await open('user:ana')) ?? ''
    const ana = { ...someone, subject: 'user:ana' }
    expect(sessions.find(id, ana)).toBeDefined()
    const others = [
      { ...ana, actor: { id: 'agent:other', type: 'agent' } as const },
      { ...ana, tenant: 'globex' },
      { ...ana, issuer: 'urn:other' },
      someone,
    ]
    for (const other of others) expect(sessions.find(id, other)).toBeUndefined()
  })

  it('are bounded for a tenant, whose principals leave room for others, and for all together', async () => {
    const { clock, open } = table()
    for (const subject of ['a', 'b', 'c', 'd', 'e']) expect(await open(subject)).toBeDefined()
    expect(await open('f')).toBeUndefined()
    expect(await open('f', 'globex')).toBeDefined()
    expect(await open('g', 'initech')).toBeUndefined()
    clock.ms += idleMsMax
    expect(await open('f')).toBeDefined()
    expect(await open('g', 'initech')).toBeDefined()
  })
})
