import process from 'node:process'
import { parseArgs } from 'node:util'
import { gapsIn, missedFloors } from './corpora/floors.ts'
import { reportText, summaryOf } from './corpora/report.ts'
import { corporaFolder } from './corpora/rows.ts'
import { runCorpora } from './corpora/run.ts'

/*
 * Runs third-party attack rows through the product's own public code path and counts what got through. Exits 0 when every
 * floor holds, 1 when one is missed, 2 when rows were missing or could not be tried, 3 for an option that does not exist.
 */

async function main(args: readonly string[]): Promise<number> {
  const json = asksForJson(args)
  if (json === undefined) return 3
  const folder = corporaFolder()
  if (folder === undefined) {
    process.stdout.write('skipped: no corpora (set SLUICEGATE_CORPORA)\n')
    return 2
  }
  const tried = await runCorpora(folder)
  const missed = missedFloors(tried)
  const gaps = gapsIn(tried)
  process.stdout.write(`${reportText(tried)}\n`)
  for (const sentence of [...missed, ...gaps]) process.stderr.write(`${sentence}\n`)
  if (json) process.stdout.write(`${JSON.stringify(summaryOf(tried))}\n`)
  if (missed.length > 0) return 1
  return gaps.length > 0 ? 2 : 0
}

/** Undefined when the command line cannot be read, which is said. */
function asksForJson(args: readonly string[]): boolean | undefined {
  try {
    return parseArgs({ args: [...args], options: { json: { type: 'boolean', default: false } } }).values.json
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    return undefined
  }
}

process.exitCode = await main(process.argv.slice(2))
