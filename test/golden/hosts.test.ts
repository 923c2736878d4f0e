import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { hosts, lineFor, placeholders, templates, type Line } from '../../scripts/hosts.ts'

const root = path.resolve(import.meta.dirname, '../..')
const folder = path.join(root, 'examples/hosts')
const data = mkdtempSync(path.join(tmpdir(), 'sluicegate-hosts-'))

afterAll(() => rmSync(data, { recursive: true, force: true }))

/** The line a host would run, read the way a host reads it. JSON is YAML too. */
function lineIn(text: string): Line {
  const parsed = parse(text) as Record<string, unknown>
  const servers = parsed['servers'] ?? parsed['mcpServers']
  const [server] = Array.isArray(servers) ? servers : Object.values(servers as object)
  return { command: server.command, args: server.args }
}

const filledIn = (text: string) => text.replaceAll(placeholders.root, root).replaceAll(placeholders.data, data)

const readHost = (name: string) => readFileSync(path.join(folder, hosts[name]?.file ?? ''), 'utf8')

const exportOneDay = { name: 'orders.export', arguments: { from: '2025-08-25', to: '2025-08-25' } }

describe('the host configurations', () => {
  it('are the ones the script makes', () => {
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    const files = found.filter((name) => /\.(json|ya?ml)$/.test(name)).sort()
    expect(files).toEqual(Object.keys(templates).sort())
    for (const name of files) expect(readFileSync(path.join(folder, name), 'utf8'), name).toBe(templates[name])
  })

  it.each(Object.keys(hosts))('start the gateway on stdio, on a data directory of their own: %s', (name) => {
    const text = readHost(name)
    if (hosts[name]?.file.endsWith('.json')) JSON.parse(text)
    expect(lineIn(text)).toEqual(lineFor(name, placeholders))
    expect(lineIn(text).args.slice(1)).toEqual(['serve', '--stdio', '--data', `<DATA PATH>/${name}`])
  })

  it('serve a host of the 2025 revisions, from its first question on', async () => {
    const client = new ClientV1({ name: 'claude-ai', version: '0.1.0' })
    const { command, args } = lineIn(filledIn(readHost('claude-desktop')))
    await client.connect(new StdioV1({ command, args: [...args], stderr: 'pipe' }))
    try {
      const { tools } = await client.listTools()
      expect(tools.map(({ name }) => name)).toEqual(['orders.export', 'flag.set', 'web.fetchSafe'])
      expect(await client.callTool(exportOneDay)).toMatchObject({ structuredContent: { range: { to: '2025-08-25' } } })
    } finally {
      await client.close()
    }
  })

  it('serve a host of the 2026 revision, from its first question on', async () => {
    const client = new Client(
      { name: 'vscode', version: '2.0.0' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    )
    const { command, args } = lineIn(filledIn(readHost('vscode')))
    await client.connect(new StdioClientTransport({ command, args: [...args], stderr: 'pipe' }))
    try {
      const answer = await client.callTool(exportOneDay)
      expect(answer).toMatchObject({ structuredContent: { range: { to: '2025-08-25' } } })
    } finally {
      await client.close()
    }
  })
})
