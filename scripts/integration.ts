import { readdirSync } from 'node:fs'
import process from 'node:process'
import { parseCLI, startVitest } from 'vitest/node'

/** Suites that need a component this version does not start. */
const absent: Readonly<Record<string, string>> = {
  redis: 'this version keeps its state in sqlite',
  stack: 'this version starts no collector; `docker compose up` does',
  cluster: 'this version runs one gateway',
  browser: 'this version has no console',
}

const folder = new URL('../test/integration/', import.meta.url)

/** Suites that run: `inspector` is `test/integration/inspector.test.ts`. */
const present = readdirSync(folder)
  .flatMap((file) => /^(.+)\.test\.ts$/.exec(file)?.[1] ?? [])
  .sort()

/** Runs suites against real programs. Without a name all of them; ends with the counts of all. */
async function main(asked: readonly string[]): Promise<number> {
  const known = [...present, ...Object.keys(absent)]
  const unknown = asked.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    process.stderr.write(`There is no suite ${unknown.join(', ')}. There are: ${known.join(', ')}.\n`)
    return 3
  }
  const wanted = asked.length > 0 ? asked : known
  const skipped = wanted.filter((name) => name in absent)
  const running = wanted.filter((name) => present.includes(name))
  const { passed, failed, pending } = running.length > 0 ? await run(running) : { passed: 0, failed: 0, pending: 0 }
  for (const name of skipped) process.stdout.write(`${name}: skipped: not in this version (${absent[name]})\n`)
  process.stdout.write(`${passed} passed, ${failed} failed, ${pending + skipped.length} skipped\n`)
  return failed === 0 ? 0 : 1
}

/** Counts of tests; a file or a hook that breaks counts as a failed one. */
async function run(names: readonly string[]) {
  const { options } = parseCLI(['vitest', 'run', '--config', 'test/integration/vitest.config.ts'])
  const vitest = await startVitest(
    'test',
    names.map((name) => `test/integration/${name}.test.ts`),
    options,
  )
  const modules = vitest.state.getTestModules()
  const states = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state))
  const count = (state: string): number => states.filter((one) => one === state).length
  const broken = modules.filter((module) => module.errors().length > 0).length
  const failed = count('failed') + broken + vitest.state.getUnhandledErrors().length
  await vitest.close()
  return { passed: count('passed'), failed: failed, pending: count('skipped') }
}

process.exitCode = await main(process.argv.slice(2))
