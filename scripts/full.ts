import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { digestOf, promises, rowIn, rowOf, tableFile, type Promised } from './promises.ts'

/*
 * Runs the tests that only sample in ordinary runs with their full counts, and prints for each the figure, the command
 * and the digest of the module it was shown for. With --write, docs/promises.md gets the rows of those that passed.
 */

const root = fileURLToPath(new URL('..', import.meta.url))
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))

interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

function main(args: readonly string[]): number {
  const write = args.includes('--write')
  const names = args.filter((arg) => arg !== '--write')
  const unknown = names.filter((name) => !promises.some((one) => one.name === name))
  if (unknown.length > 0) {
    process.stderr.write(
      `There is no ${unknown.join(', ')}. There are: ${promises.map(({ name }) => name).join(', ')}.\n`,
    )
    return 3
  }
  const wanted = promises.filter(({ name }) => names.length === 0 || names.includes(name))
  const all = wanted.map((promised) => proved(promised, write))
  const sum = (of: keyof Counts): number => all.reduce((total, counts) => total + counts[of], 0)
  process.stdout.write(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped\n`)
  return sum('failed') === 0 ? 0 : 1
}

/** One promise: the digest is taken first, so that it names what was tried. */
function proved(promised: Promised, write: boolean): Counts {
  const digest = digestOf(promised)
  const counts = run(promised)
  if (counts.failed > 0) process.stdout.write(`\n${promised.name}: not shown\n`)
  else {
    process.stdout.write(`\n${rowOf(promised, digest)}\n`)
    if (write) record(promised, digest)
  }
  return counts
}

function run({ test, variable, full }: Promised): Counts {
  const { stdout, status } = spawnSync(process.execPath, [vitest, 'run', test], {
    cwd: root,
    env: { ...process.env, [variable]: String(full) },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  process.stdout.write(stdout)
  const [, passed, failed, skipped] = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(stdout) ?? []
  const broken = status !== 0 || passed === undefined || passed === '0'
  return {
    passed: Number(passed ?? 0),
    failed: Math.max(Number(failed ?? 0), broken ? 1 : 0),
    skipped: Number(skipped ?? 0),
  }
}

function record(promised: Promised, digest: string): void {
  const text = readFileSync(tableFile, 'utf8')
  const row = rowIn(text, promised)
  const next = rowOf(promised, digest)
  writeFileSync(tableFile, row === undefined ? `${text.trimEnd()}\n${next}\n` : text.replace(row, next))
}

process.exitCode = main(process.argv.slice(2))
