import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ticketsFile } from '../../../src/adapters/tickets-file.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluicegate-tickets-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function written(text: string): string {
  const file = path.join(folder, `tickets-${(files += 1)}.yaml`)
  writeFileSync(file, text)
  return file
}

const entry = (more = '', state = 'approved') =>
  `- { ticket: CHG-1, state: ${state}, principal: 'agent:copilot', tools: [flag.set], expires: '2026-12-01T00:00:00Z'${more} }\n`
const who = { tenant: 'acme', subject: 'agent:copilot' }
const now = Date.UTC(2026, 10, 20)

describe('the ticket register', () => {
  it('knows a ticket that is approved, unexpired, and for this principal and tool', async () => {
    const register = await ticketsFile({ file: written(entry()) })
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBe('CHG-1')
  })

  it.each([
    ['another ticket', 'CHG-2', who, 'flag.set', now],
    ['another spelling', 'chg-1', who, 'flag.set', now],
    ['another principal', 'CHG-1', { ...who, subject: 'agent:other' }, 'flag.set', now],
    ['another tool', 'CHG-1', who, 'crm.bulk_update', now],
    ['a time after its expiry', 'CHG-1', who, 'flag.set', Date.UTC(2026, 11, 1)],
    ['a name from Object.prototype', 'constructor', who, 'flag.set', now],
  ])('does not know %s', async (_what, ticket, principal, tool, atMs) => {
    const register = await ticketsFile({ file: written(entry()) })
    expect(await register.find(ticket, principal, tool, atMs)).toBeUndefined()
  })

  it.each(['pending', 'rejected', 'closed'])('does not count one that is %s', async (state) => {
    const register = await ticketsFile({ file: written(entry('', state)) })
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
  })

  it('counts one that names a tenant for that tenant only', async () => {
    const register = await ticketsFile({ file: written(entry(', tenant: globex')) })
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
    expect(await register.find('CHG-1', { ...who, tenant: 'globex' }, 'flag.set', now)).toBe('CHG-1')
  })

  it('reads the file again when it changes', async () => {
    const file = written(entry())
    const register = await ticketsFile({ file })
    await register.find('CHG-1', who, 'flag.set', now)
    renameSync(written(entry('', 'closed')), file)
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
  })

  it('counts no ticket while the file is broken or gone, says why, and recovers', async () => {
    const file = written(entry())
    const register = await ticketsFile({ file })
    writeFileSync(file, `${entry()}- [`)
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
    expect(register.problem()).toMatch(/tickets-\d+\.yaml:\d+/)
    rmSync(file)
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
    expect(register.problem()).toMatch(/cannot be read/)
    writeFileSync(file, entry())
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBe('CHG-1')
    expect(register.problem()).toBeUndefined()
  })

  it.each([
    ['an unknown field', entry(', approver: me'), /approver/],
    ['a wildcard', entry().replace('flag.set', "'*'"), /0.tools.0: is a wildcard/],
    ['an expiry without a zone', entry().replace('00Z', '00'), /0.expires/],
    ['no list', 'ticket: CHG-1\n', /the file/],
  ])('is refused at the start for %s', async (_what, text, message) => {
    await expect(ticketsFile({ file: written(text) })).rejects.toThrow(message)
  })

  it('is refused at the start when it is not there', async () => {
    await expect(ticketsFile({ file: path.join(folder, 'none.yaml') })).rejects.toThrow(/cannot be read/)
  })
})
