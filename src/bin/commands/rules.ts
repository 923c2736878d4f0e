import type { Command } from 'commander'
import { runExamples } from '../../detection/examples.ts'
import { placed, print, say } from './policy-files.ts'
import { openedRules } from './rules-files.ts'
import { replayRules } from './rules-replay.ts'

interface Reporting {
  readonly json?: true
}

/** Adds `rules check`, `rules test` and `rules replay`. Exit codes: 0 ok, 1 an example fails, 2 evidence could not be read whole, 3 usage or bad rules. */
export function rulesCommand(program: Command): void {
  const rules = program.command('rules').description('check, test and replay detection rules')
  const paths = 'a directory of .yml files, or single files; together they are one set'
  const json = 'print one JSON object'
  rules
    .command('check')
    .description('report every problem in rule files, with file and line')
    .argument('<paths...>', paths)
    .option('--json', json)
    .action(check)
  rules
    .command('test')
    .description('run the examples inside rule files')
    .argument('<paths...>', paths)
    .option('--json', json)
    .action(test)
  rules
    .command('replay')
    .description(
      'run rules over past evidence: what would have alerted, how often, and who would have been stopped; nothing is sent',
    )
    .argument('<paths...>', paths)
    .requiredOption('--evidence <path>', 'data directory, stream directory or segment')
    .option('--baseline <file>', 'a signed detector snapshot to start from')
    .option('--trust <file>', 'trust.json to check the snapshot with; the data directory has its own')
    .option('--json', json)
    .action(replayRules)
}

function check(paths: readonly string[], { json }: Reporting): void {
  const opened = openedRules(paths, json === true)
  if (!opened) return
  const { set, warnings } = opened
  for (const warning of warnings) say(`warning: ${placed(warning)}`)
  if (json) print({ ok: true, rules: set.rules.length, digest: set.digest, problems: [], warnings })
  else print(`${set.rules.length} rules are valid (digest ${set.digest.slice(0, 12)})`)
}

function test(paths: readonly string[], { json }: Reporting): void {
  const opened = openedRules(paths, json === true)
  if (!opened) return
  const results = runExamples(opened.set)
  const failures = results.filter(({ ok }) => !ok)
  for (const { file, line, rule, example, message } of failures)
    say(`${file}:${line}: rule '${rule}', '${example}': ${message}`)
  const [passed, failed] = [results.length - failures.length, failures.length]
  if (json) print({ ok: failed === 0, passed, failed, skipped: 0, digest: opened.set.digest, results })
  else print(`${passed} passed, ${failed} failed, 0 skipped`)
  if (failed > 0) process.exitCode = 1
}
