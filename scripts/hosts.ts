/**
 * Host configurations: `node scripts/hosts.ts` writes the templates of examples/hosts, `--check` compares them, and a
 * host's name prints its file with the paths of this clone filled in.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { stringify } from 'yaml'

/** How a host starts the gateway. */
export interface Line {
  readonly command: string
  readonly args: readonly string[]
}

interface Host {
  /** File under examples/hosts. */
  readonly file: string
  readonly text: (line: Line) => string
}

/** Lists of texts stand on one line, as a person would write them. */
function json(value: unknown): string {
  const text = JSON.stringify(value, null, 2)
  return `${text.replace(/\[\s+("[^\]]*")\s+\]/g, (_, items: string) => `[${items.replace(/\n\s+/g, ' ')}]`)}\n`
}

/** The shape that most hosts share. */
const mcpServers =
  (first: object = {}, last: object = {}) =>
  (line: Line) =>
    json({ mcpServers: { sluicegate: { ...first, ...line, ...last } } })

/** One file per host, as each host's own documentation describes it. */
export const hosts: Readonly<Record<string, Host>> = {
  vscode: {
    file: 'vscode/mcp.json',
    text: (line) => json({ servers: { sluicegate: { type: 'stdio', ...line } } }),
  },
  'claude-desktop': { file: 'claude-desktop/claude_desktop_config.json', text: mcpServers() },
  'claude-code': { file: 'claude-code/mcp.json', text: mcpServers({ type: 'stdio' }) },
  cursor: { file: 'cursor/mcp.json', text: mcpServers() },
  continue: {
    file: 'continue/sluicegate.yaml',
    text: (line) =>
      stringify({
        name: 'Sluicegate',
        version: '0.1.0',
        schema: 'v1',
        mcpServers: [{ name: 'sluicegate', type: 'stdio', ...line }],
      }),
  },
  cline: { file: 'cline/cline_mcp_settings.json', text: mcpServers({}, { disabled: false }) },
}

/** Where the program and its data are. */
export interface Places {
  /** This project, with its dependencies installed. */
  readonly root: string
  /** Directory for one data directory per host: a data directory belongs to one process at a time. */
  readonly data: string
}

/** What stands in the templates, for a person to replace. */
export const placeholders: Places = { root: '<ABSOLUTE PATH>', data: '<DATA PATH>' }

/** Starts the gateway on the project's own Node, because a host started from a desktop may find another one, or none. */
export const lineFor = (host: string, { root, data }: Places): Line => ({
  command: `${root}/node_modules/.bin/node`,
  args: [`${root}/bin/sluicegate.mjs`, 'serve', '--stdio', '--data', `${data}/${host}`],
})

/** File name under examples/hosts to content. */
export const templates: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(hosts).map(([name, { file, text }]) => [file, text(lineFor(name, placeholders))]),
)

const root = path.join(import.meta.dirname, '..')

function main(asked: string | undefined): void {
  if (asked === undefined || asked === '--check') return write(asked === '--check')
  const host = hosts[asked]
  if (host)
    return void process.stdout.write(
      host.text(lineFor(asked, { root, data: path.join(stateHome(), 'sluicegate-hosts') })),
    )
  process.stderr.write(`There is no host ${asked}; there are ${Object.keys(hosts).join(', ')}.\n`)
  process.exitCode = 3
}

function write(check: boolean): void {
  for (const [name, text] of Object.entries(templates)) {
    const file = path.join(root, 'examples/hosts', name)
    if (!check) {
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, text)
    } else if (readFileSync(file, 'utf8') !== text) {
      process.stderr.write(`${file} is out of date: run \`node scripts/hosts.ts\`\n`)
      process.exitCode = 1
    }
  }
}

function stateHome(): string {
  return process.env['XDG_STATE_HOME'] ?? path.join(homedir(), '.local', 'state')
}

if (import.meta.main) main(process.argv[2])
