import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { parse } from 'yaml'
import { fixtureGateway } from '../test/support/fixture-gateway.ts'
import { npx } from './npx.ts'

/** The official suite, pinned: it moves, and a score must mean the same tomorrow. */
const suite = '@modelcontextprotocol/conformance@0.2.0-alpha.12'

/** Revisions that have a list of open scenarios in `docs/conformance/`. */
export const revisions = ['2026-07-28', '2025-11-25'] as const
type Revision = (typeof revisions)[number]

export interface Score {
  /** Scored scenarios without a failure. */
  readonly passed: number
  /** Failures that are not listed as open, and listed ones that pass. */
  readonly failed: readonly string[]
  /** Scored scenarios with a failure that is listed as open. */
  readonly open: readonly string[]
  /** What the suite printed. */
  readonly said: string
  readonly ok: boolean
}

/** Runs the server scenarios that a revision requires against a gateway with the fixture tools. */
export async function conform(revision: Revision): Promise<Score> {
  await using held = new AsyncDisposableStack()
  const results = await mkdtemp(join(tmpdir(), 'sluicegate-conformance-'))
  held.defer(() => rm(results, { recursive: true, force: true }))
  const gateway = await fixtureGateway()
  held.defer(() => gateway.close())
  const list = openList(revision)
  const args = ['server', '--url', gateway.mcpWithoutToken, '--requirements', revision]
  const { code, stdout, stderr } = await npx(suite, [...args, '--expected-failures', list, '-o', results])
  const said = stripVTControlCharacters(stdout)
  if (!said.includes('=== SUMMARY ===')) throw new Error(`The suite did not run: ${stderr.slice(-2000)}`)
  const [ran, required] = await Promise.all([scenariosIn(results), scenariosRequired(revision)])
  const scored = ran.filter((scenario) => required.has(scenario))
  const listed = await scenariosListed(list)
  const failed = failures(said)
  const settled = scored.filter((scenario) => !failed.some((entry) => scenarioOf(entry) === scenario))
  const open = settled.filter((scenario) => listed.has(scenario))
  return {
    passed: settled.length - open.length,
    failed,
    open,
    said: said.slice(said.indexOf('=== SUMMARY ===')),
    ok: code === 0,
  }
}

const openList = (revision: Revision): string =>
  fileURLToPath(new URL(`../docs/conformance/${revision}.yml`, import.meta.url))

/** Scenarios that are open, some of them in single checks only. */
async function scenariosListed(file: string): Promise<ReadonlySet<string>> {
  const { server } = parse(await readFile(file, 'utf8')) as { readonly server: readonly string[] }
  return new Set(server.map(scenarioOf))
}

/** An entry names a scenario, or one check of it after a colon. */
const scenarioOf = (entry: string): string => entry.split(':')[0] as string

/** The suite leaves one folder per scenario: `server-<scenario>-<time>`. */
async function scenariosIn(results: string): Promise<readonly string[]> {
  const folders = await readdir(results)
  return folders.flatMap((folder) => /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(folder)?.[1] ?? [])
}

/** Server scenarios that count for the revision, as the suite itself lists them. */
async function scenariosRequired(revision: Revision): Promise<ReadonlySet<string>> {
  const { stdout } = await npx(suite, ['list', '--requirements', revision])
  const [, server = ''] = /^Server scenarios.*\n((?: {2}- .+\n)+)/m.exec(stripVTControlCharacters(stdout)) ?? []
  return new Set([...server.matchAll(/^ {2}- (\S+)/gm)].map(([, scenario]) => scenario as string))
}

/** Unexpected failures, and entries of the list that pass by now. */
function failures(said: string): readonly string[] {
  const sections = said.split(/^(?=Unexpected failures|Stale baseline entries)/mu).slice(1)
  return sections.flatMap((section) => [...section.matchAll(/^ {2}[✓✗] (\S+)$/gmu)].map(([, entry]) => entry as string))
}

/** What a page says of a revision: `| revision | scored | pass | open |`. Throws when it says nothing. */
export function scoreIn(page: string, revision: Revision): Record<'scored' | 'passed' | 'open', number> {
  const row = page.split('\n').find((line) => line.startsWith(`| ${revision} |`))
  const [scored, passed, open] = row?.split('|').slice(2, 5).map(Number) ?? []
  if (scored === undefined || passed === undefined || open === undefined) throw new Error(`no score of ${revision}`)
  return { scored, passed, open }
}

async function main(revision: string | undefined): Promise<number> {
  const known = revisions.find((one) => one === revision)
  if (!known) {
    process.stderr.write(`Which revision? npm run conformance -- ${revisions.join(' | ')}\n`)
    return 3
  }
  const { passed, failed, open, said, ok } = await conform(known)
  process.stdout.write(`${said.trimEnd()}\n\n`)
  process.stdout.write(`${passed} passed, ${failed.length} failed, ${open.length} skipped\n`)
  return ok ? 0 : 1
}

if (import.meta.main) process.exitCode = await main(process.argv[2])
