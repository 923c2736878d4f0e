import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Appended } from './append.ts'
import type { Audit } from './audit.ts'
import { benchBeside } from './beside.ts'
import { runChild } from './child.ts'
import type { Detected } from './detect.ts'
import { benchHttp, governedMode, type ModeResult } from './http.ts'
import { deniedAmong } from './lookup.ts'
import { fileSystemOf, machineText } from './machine.ts'
import { readOptions, type Asked } from './options.ts'
import { reportText, summaryOf, type Results } from './report.ts'
import { benchStdio, type StdioResult, type StdioSubject } from './stdio.ts'

/** Measures the governed call beside the stock SDK servers, in one run. Exit 1 when the run does not count, 3 for a bad option. */

const say = (what: string): void => void (process.stderr.isTTY && process.stderr.write(`bench: ${what}\n`))

const code = await main(process.argv.slice(2)).catch((error: unknown) => complain((error as Error).message, 1))
// After a failure servers may still be up; they end with this process.
if (code !== 0) process.exit(code)

async function main(args: readonly string[]): Promise<number> {
  const asked = read(args)
  if (typeof asked === 'string') return complain(asked, 3)
  const home = mkdtempSync(join(asked.directory, 'sluicegate-bench-'))
  const memory = tmpfsBeside(home)
  process.once('SIGINT', () => process.exit(130))
  process.once('exit', () => {
    for (const made of [home, memory ?? home]) rmSync(made, { recursive: true, force: true })
  })
  const { results, problems } = await run(asked, home, memory)
  if (problems.length > 0) return complain(`The run does not count.\n${problems.join('\n')}`, 1)
  process.stdout.write(reportText(results))
  if (asked.json) process.stdout.write(`${JSON.stringify(summaryOf(results))}\n`)
  return 0
}

function read(args: readonly string[]): Asked | string {
  try {
    const asked = readOptions(args)
    return existsSync(asked.directory)
      ? asked
      : `There is no directory ${asked.directory}. Make it, or choose another --dir.`
  } catch (error) {
    return `${(error as Error).message} (--json, --quick, --dir DIR, --profile DIR)`
  }
}

function complain(sentence: string, exitCode: number): number {
  process.stderr.write(`bench: ${sentence}\n`)
  return exitCode
}

/** A directory in memory, where the machine has one and the data is not there already. */
function tmpfsBeside(home: string): string | undefined {
  if (fileSystemOf(home) === 'tmpfs') return undefined
  try {
    return mkdtempSync('/dev/shm/sluicegate-bench-')
  } catch {
    return undefined
  }
}

async function run({ plan, profileDirectory }: Asked, home: string, memory: string | undefined) {
  const machine = machineText(home)
  const profile = profileDirectory === undefined ? {} : { profileDirectory }
  const http = await benchHttp({ plan, directory: home, say, ...profile })
  const governed = http.find(({ mode }) => mode === governedMode) as ModeResult
  const stdio = await benchStdio(stdioSubjects(home, memory), {
    rounds: plan.stdioRounds,
    durationMs: plan.stdioMs,
    say,
  })
  say('evidence')
  const recordCheckpoint = await append(home, 'record+checkpoint', plan.appendMs)
  const checkpoint = await append(home, 'checkpoint', plan.appendMs)
  say('detector')
  const detector = await runChild<Detected>('detect.ts', [String(plan.detectorMs)])
  const beside = await benchBeside({ plan, directory: join(home, 'beside'), say })
  say('looking for every call in the evidence')
  const audit = await auditOf(join(home, 'http'), governed.answered)
  const stdioAudits = await Promise.all(stdio.map(auditOfStdio))
  const evidence = { recordCheckpoint, checkpoint }
  const results: Results = { machine, http, denied: audit.denied, stdio, evidence, audit, detector, beside }
  const problems = [
    ...[...http, ...stdio].flatMap(wrongAnswers),
    ...beside.flatMap(({ problem }) => problem ?? []),
    ...[audit, ...stdioAudits.flat(), recordCheckpoint, checkpoint].flatMap(({ problem }) => problem ?? []),
    ...miscounted(audit, governed),
  ]
  return { results, problems }
}

function stdioSubjects(home: string, memory: string | undefined): readonly StdioSubject[] {
  const file = 'stdio-governed.ts'
  return [
    { mode: 'v2-modern', file: 'stdio-stock.ts' },
    { mode: `governed, evidence on ${fileSystemOf(home)}`, file, directory: join(home, 'stdio') },
    ...(memory === undefined ? [] : [{ mode: 'governed, evidence on tmpfs', file, directory: join(memory, 'stdio') }]),
  ]
}

function append(home: string, signing: string, durationMs: number): Promise<Appended> {
  const directory = join(home, signing)
  mkdirSync(directory)
  return runChild<Appended>('append.ts', [directory, signing, String(durationMs)])
}

function auditOf(directory: string, answered: number): Promise<Audit> {
  return runChild<Audit>('audit.ts', [directory, String(answered)])
}

async function auditOfStdio({ directory, answered }: StdioResult): Promise<readonly Audit[]> {
  return directory === undefined ? [] : [await auditOf(directory, answered)]
}

function wrongAnswers({ mode, wrong, answered, example }: ModeResult | StdioResult): readonly string[] {
  return wrong === 0 ? [] : [`${mode}: ${wrong} of ${answered} answers were wrong, e.g. ${example}`]
}

function miscounted({ denied }: Audit, { answered }: ModeResult): readonly string[] {
  const expected = deniedAmong(answered)
  return denied === expected ? [] : [`${denied} calls are recorded as denied, and policy denies ${expected}`]
}
