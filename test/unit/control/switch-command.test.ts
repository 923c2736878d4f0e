import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/adapters/clock-system.ts'
import { openKeys } from '../../../src/adapters/keys-file.ts'
import { switchCommand } from '../../../src/bin/commands/switch.ts'

afterEach(() => vi.restoreAllMocks())

/** What one command line prints. */
async function run(...words: readonly string[]): Promise<string> {
  const said: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0)
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  switchCommand(program)
  for (const command of program.commands.flatMap((each) => [each, ...each.commands])) command.exitOverride()
  await program.parseAsync(['node', 'sluicegate', 'switch', ...words])
  vi.restoreAllMocks()
  return said.join('')
}

async function dataDirectory(): Promise<string> {
  const data = mkdtempSync(join(tmpdir(), 'switch-'))
  await openKeys(join(data, 'keys'), systemClock())
  return data
}

describe('sluicegate switch, while no gateway runs', () => {
  it('engages, lists and releases through the command log', async () => {
    const data = await dataDirectory()
    expect(await run('list', '--data', data)).toBe('No switch is engaged.\n')
    const engaged = await run('engage', 'tool', 'flag.set', '--reason', 'drill', '--ttl', '60', '--data', data)
    expect(engaged).toMatch(/^Engaged sw-\S+ {2}tool flag\.set, 60 s left: drill\n$/)
    const listed = await run('list', '--json', '--data', data)
    const [shown] = (JSON.parse(listed) as { switches: { id: string }[] }).switches
    expect(shown).toMatchObject({ kind: 'tool', target: 'flag.set', ttlMs: 60_000, issuedBy: { kind: 'operator' } })
    expect(await run('release', shown?.id ?? '', '--reason', 'over', '--data', data)).toMatch(/^Released /)
    expect(await run('list', '--data', data)).toBe('No switch is engaged.\n')
  })

  it('refuses to release what is not engaged, and a directory that is no gateway’s', async () => {
    const data = await dataDirectory()
    await expect(run('release', 'sw-1', '--reason', 'x', '--data', data)).rejects.toThrow(/No switch sw-1 is engaged/)
    await expect(run('list', '--data', join(data, 'nowhere'))).rejects.toThrow(/no data directory/)
  })

  it.each([
    [['engage', 'session', 'copilot', '--reason', 'r'], /session key/],
    [['engage', 'everything', 'x', '--reason', 'r'], /kind must be one of/],
    [['engage', 'limits', 'acme', '--reason', 'r', '--set', 'rpm'], /rpm=10/],
    [['engage', 'limits', 'acme', '--reason', 'r', '--set', 'speed=1'], /speed|set/],
    [['engage', 'tool', 'x'], /--reason/],
    [['engage', 'tool', 'x', '--reason', 'r', '--ttl', 'soon'], /whole seconds/],
  ])('refuses %j', async (words, sentence) => {
    const data = await dataDirectory()
    await expect(run(...words, '--data', data)).rejects.toThrow(sentence)
  })
})

describe('sluicegate switch, while a gateway runs', () => {
  it('goes through its admin listener, with the admin token', async () => {
    const data = mkdtempSync(join(tmpdir(), 'switch-'))
    mkdirSync(join(data, 'keys'))
    writeFileSync(join(data, 'keys', 'admin.token'), 'secret-token\n')
    const asked: string[] = []
    const admin = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        asked.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`)
        response.writeHead(request.method === 'DELETE' ? 404 : request.method === 'POST' ? 201 : 200)
        response.end(JSON.stringify(request.method === 'POST' ? { id: 'sw-9', kind: 'tool', target: 'x', reason: 'r' } : { switches: [] })) // prettier-ignore
      })
    }).listen(0, '127.0.0.1')
    await once(admin, 'listening')
    const where = ['--data', data, '--admin', `http://127.0.0.1:${(admin.address() as AddressInfo).port}`]
    expect(await run('engage', 'limits', 'acme', '--reason', 'r', '--set', 'rpm=5', ...where)).toMatch(/^Engaged sw-9/)
    await expect(run('release', 'sw-8', '--reason', 'r', ...where)).rejects.toThrow(/No switch sw-8/)
    admin.close()
    expect(asked).toContain(
      'POST /api/v1/switches Bearer secret-token {"kind":"limits","target":"acme","reason":"r","ttlMs":3600000,"set":{"rpm":5}}',
    )
    expect(asked).toContain('DELETE /api/v1/switches/sw-8 Bearer secret-token {"reason":"r"}')
  })

  it('says so when nothing answers there', async () => {
    const data = await dataDirectory()
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = gone.address() as AddressInfo
    gone.close()
    await expect(run('list', '--data', data, '--admin', `http://127.0.0.1:${port}`)).rejects.toThrow(
      /No gateway answers/,
    )
  })
})
