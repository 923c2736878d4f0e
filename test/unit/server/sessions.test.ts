import { Server } from '@modelcontextprotocol/server'
import { describe, expect, it } from 'vitest'
import { idleMsMax, mcpSessions } from '../../../src/server/sessions.ts'
import { someone } from '../../support/calls.ts'

function table() {
  const clock = { ms: 0 }
  let opened = 0
  const id = () => `s${(opened += 1)}`
  const sessions = mcpSessions({ sessionsMax: 5, perPrincipalMax: 3, nowMs: () => clock.ms, id })
  const open = async (subject: string) => {
    const server = new Server({ name: 'test', version: '1' }, { capabilities: {} })
    return (await sessions.open({ ...someone, subject }, undefined, server))?.id
  }
  return { clock, sessions, open }
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

  it('are bounded for all together', async () => {
    const { open } = table()
    for (const subject of ['a', 'b', 'c', 'd', 'e']) expect(await open(subject)).toBeDefined()
    expect(await open('f')).toBeUndefined()
  })
})
