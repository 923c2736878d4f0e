import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { DemoReport } from '../../demo/run.ts'

interface DemoOptions {
  readonly json?: true
  readonly keep?: true
  readonly data?: string
}

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description(
      'golden flows, then attacks, by real MCP clients; the loop closes, the evidence verifies, the incident exports',
    )
    .option('--json', 'end with one line of JSON')
    .option('--keep', 'keep the data directory when it was made for the demo')
    .option('--data <dir>', 'where to keep everything (default: a new temporary directory)')
    .action(demo)
}

async function demo({ json, keep, data: given }: DemoOptions): Promise<void> {
  if (given !== undefined && existsSync(join(given, 'streams'))) {
    throw new Error(`${given} holds evidence already; the demo needs a directory of its own. Name a new one.`)
  }
  const data = given ?? (await mkdtemp(join(tmpdir(), 'sluicegate-demo-')))
  const { runDemo } = await import('../../demo/run.ts')
  const { table, summary } = await import('../../demo/report.ts')
  const report = await runDemo({ data, progress: (line) => void process.stderr.write(`  ${line}\n`) })
  const kept = given !== undefined || keep === true || report.missed.length > 0 || json === true
  process.stdout.write(table(report, kept ? data : undefined))
  if (json) process.stdout.write(`${JSON.stringify(summary(report))}\n`)
  process.exitCode = exitCodeOf(report)
  if (!kept) await rm(data, { recursive: true, force: true })
}

const exitCodeOf = ({ missed }: DemoReport): number => (missed.length === 0 ? 0 : 1)
