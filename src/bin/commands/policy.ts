import type { Command } from 'commander'
import { compilePolicy } from '../../policy/compile.ts'
import { judgeExamples } from '../../policy/judge-examples.ts'
import type { ExampleResult } from '../../policy/judge-examples.ts'
import { lintPolicies } from '../../policy/lint.ts'
import { builtInAliases } from '../../tools/catalog.ts'
import { explain } from './policy-explain.ts'
import { loadedRules, placed, print, say } from './policy-files.ts'
import { toolShapes } from './policy-tools.ts'

/** Adds `policy check`, `policy test` and `policy explain`. Exit codes: 0 ok, 1 an example fails or the call is denied, 3 usage. */
export function policyCommand(program: Command): void {
  const policy = program.command('policy').description('check, test and explain policy rules')
  const files = 'rule files; together they are one policy'
  const json = 'print one JSON object'
  policy
    .command('check')
    .description('report every problem in rule files, with file and line')
    .argument('<files...>', files)
    .option('--json', json)
    .action(check)
  policy
    .command('test')
    .description('run the examples inside rule files')
    .argument('<files...>', files)
    .option('--json', json)
    .action(test)
  policy
    .command('explain')
    .description('say which rules match a call, and why')
    .requiredOption('--tool <name>', 'the tool that is called')
    .option('--args <json>', 'its arguments, a JSON object', '{}')
    .option('--sub <id>', 'who calls, e.g. agent:copilot')
    .option('--tenant <name>', 'whose tenant')
    .option('--region <region>', 'region of the subject, e.g. EU')
    .option('--grant <scopes...>', 'scopes in force')
    .option('--ticket <id>', 'a ticket that its register confirms')
    .option('--facts <json>', 'other facts: {"data":{…},"egress":{…},"url":{…},"taint":{…},"session":{…}}')
    .option('--policies <files...>', 'rule files instead of the ones that ship')
    .option('--all', 'show rules for other tools too')
    .option('--json', json)
    .action(explain)
}

interface Reporting {
  readonly json?: true
}

function check(files: readonly string[], { json }: Reporting): void {
  const rules = loadedRules(files, json === true)
  if (!rules) return
  const warnings = lintPolicies(rules, toolShapes())
  for (const warning of warnings) say(`warning: ${placed(warning)}`)
  const { digest } = compilePolicy(rules, { aliases: builtInAliases })
  if (json) print({ ok: true, rules: rules.length, digest, problems: [], warnings })
  else print(`${rules.length} rules are valid (digest ${digest.slice(0, 12)})`)
}

function test(files: readonly string[], { json }: Reporting): void {
  const rules = loadedRules(files, json === true)
  if (!rules) return
  const results = judgeExamples(rules, { aliases: builtInAliases })
  const failures = results.filter(({ passed }) => !passed)
  for (const failure of failures) say(failureText(failure))
  const untested = rules.filter(({ examples }) => !examples?.length).map(({ rule }) => rule)
  if (untested.length > 0) say(`rules without examples: ${untested.join(', ')}`)
  const [passed, failed] = [results.length - failures.length, failures.length]
  if (json) print({ ok: failed === 0, passed, failed, skipped: 0, untested, results })
  else print(`${passed} passed, ${failed} failed, 0 skipped`)
  if (failed > 0) process.exitCode = 1
}

function failureText({ file, line, rule, name, message }: ExampleResult): string {
  return `${file}:${line}: rule '${rule}', '${name}': ${message}`
}
