import { compilePolicy } from '../../policy/compile.ts'
import { Facts, inputOf } from '../../policy/example.ts'
import { endingOf } from '../../policy/judge-examples.ts'
import type { PolicyInput, PolicyVerdict, RuleTrace } from '../../policy/verdict.ts'
import { isJsonObject } from '../../ports/json.ts'
import type { JsonObject } from '../../ports/json.ts'
import { builtInAliases } from '../../tools/catalog.ts'
import { loadedRules, print, say, shippedPolicies } from './policy-files.ts'
import { destinationFacts } from './policy-tools.ts'

export interface ExplainOptions {
  readonly tool: string
  readonly args: string
  readonly sub?: string
  readonly tenant?: string
  readonly region?: string
  readonly grant?: readonly string[]
  readonly ticket?: string
  readonly facts?: string
  readonly policies?: readonly string[]
  readonly all?: true
  readonly json?: true
}

/** Says what the rules make of one imagined call. Exit code 1 when it is denied. */
export function explain(options: ExplainOptions): void {
  const input = askedInput(options)
  const rules = input && loadedRules(options.policies ?? [shippedPolicies], options.json === true)
  if (!input || !rules) return
  const policy = compilePolicy(rules, { aliases: builtInAliases })
  const verdict = policy.judge(input)
  const traces = policy.explain(input)
  const ending = endingOf(verdict)
  if (options.json) print({ ok: ending === 'allow', ending, verdict, rules: traces })
  else print([...verdictLines(ending, verdict), ...shown(traces, options).flatMap(traceLines)].join('\n'))
  if (ending !== 'allow') process.exitCode = 1
}

/** The call that the options describe; or nothing, after saying what is wrong with them. */
function askedInput(options: ExplainOptions): PolicyInput | undefined {
  const args = jsonOf('--args', options.args)
  const more = jsonOf('--facts', options.facts ?? '{}')
  if (!args || !more) return undefined
  if ('ticket' in args && options.ticket === undefined)
    say('note: a ticket in --args is only a claim; --ticket makes it a confirmed one.')
  const tool = Object.hasOwn(builtInAliases, options.tool) ? (builtInAliases[options.tool] ?? '') : options.tool
  const facts = Facts.safeParse({ ...callerOf(options), ...destinationFacts(tool, args), ...more, args })
  if (facts.success) return inputOf(tool, facts.data)
  for (const { path, message } of facts.error.issues) say(`--facts: '${path.join('.')}' is wrong: ${message}.`)
  process.exitCode = 3
  return undefined
}

function callerOf({ sub, tenant, region, grant, ticket }: ExplainOptions): object {
  const id = sub === undefined ? {} : { id: sub }
  return {
    subject: { ...id, ...(tenant !== undefined && { tenant }), ...(region !== undefined && { region }) },
    actor: id,
    ...(grant && { grants: grant }),
    ...(ticket !== undefined && { ticket }),
  }
}

function jsonOf(option: string, text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (isJsonObject(value)) return value
  } catch {
    // Told below, without the parser's words.
  }
  say(`${option} must be a JSON object, e.g. '{"env":"prod"}'.`)
  process.exitCode = 3
  return undefined
}

function verdictLines(
  ending: string,
  { effect, deniedBy, approval, redact, route, shadow }: PolicyVerdict,
): readonly string[] {
  const why = effect === 'deny' ? ': Denied: no policy rule allows this call' : ''
  const reason = deniedBy ?? (approval && { reason: approval.reason, rule: approval.rules.join(', ') })
  return [
    ending + (reason ? `: Denied: ${reason.reason} (${reason.rule})` : why),
    ...redact.map(({ field, mode }) => `redact ${field}: ${mode}`),
    ...(route === undefined ? [] : [`route ${route}`]),
    ...(shadow ? [`with shadow rules: ${shadow.effect} (${shadow.rules.join(', ')})`] : []),
  ]
}

/** Unless all are asked for, the rules whose condition on the tool holds. */
function shown(traces: readonly RuleTrace[], { all }: ExplainOptions): readonly RuleTrace[] {
  const otherTool = ({ conditions }: RuleTrace) =>
    conditions.some(({ text, held }) => text.startsWith('tool ') && !held)
  return all ? traces : traces.filter((trace) => !otherTool(trace))
}

function traceLines({ rule, mode, matched, effect, conditions }: RuleTrace): readonly string[] {
  const head = `${matched ? 'matches' : '-      '}  ${rule} (${effect}${mode === 'shadow' ? ', shadow' : ''})`
  return [head, ...conditions.map(conditionLine)]
}

function conditionLine({ text, held, saw }: RuleTrace['conditions'][number]): string {
  return `           ${held ? 'yes' : 'no '}  ${text}  [${saw === undefined ? 'missing' : JSON.stringify(saw)}]`
}
