import { canonicalize } from '../evidence/canonical.ts'
import type { Json } from '../ports/json.ts'
import { compileRule, knownFields, type CompiledRule } from './compile.ts'
import { mentioned } from './condition.ts'
import { correlationOf } from './correlation-check.ts'
import type { Absence } from './correlate.ts'
import { ruleSetDigest } from './digest.ts'
import { readRules, type LoadedRule, type Problem, type RuleFile } from './load.ts'
import { exampleFields, examplesOf } from './example-check.ts'
import { novelty, responsesOf } from './response-check.ts'
import type { Lists } from './select.ts'

/** Rules that may be used together. */
export interface RuleSet {
  readonly rules: readonly LoadedRule[]
  readonly compiled: readonly CompiledRule[]
  /** Names of rules that only feed correlations and stay silent alone. */
  readonly bases: ReadonlySet<string>
  readonly absences: ReadonlyMap<string, Absence>
  readonly digest: string
}

export interface Checked {
  /** Present when there is no problem: a directory loads whole or not at all. */
  readonly set?: RuleSet
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/** Reads, compiles and judges rule files. One validator for check, start and reload. Finds every problem, not only the first. */
export function openRules(files: readonly RuleFile[], lists: Lists = {}): Checked {
  const { rules, problems: unread } = readRules(files)
  const problems: Problem[] = [...unread]
  const warnings: Problem[] = []
  const bases = new Set(rules.flatMap(({ rule }) => rule.correlation?.rules ?? []))
  const fieldsOfBase = new Map(rules.map(({ rule }) => [rule.name, knownFields(rule)]))
  const absences = new Map<string, Absence>()

  const compiled = rules.map((loaded) => {
    const complain = (path: readonly (string | number)[], message: string) =>
      void problems.push(loaded.at(path, message))
    const joined = correlationOf(loaded.rule, rules, fieldsOfBase, complain)
    if (joined.absence) absences.set(loaded.rule.name, joined.absence)
    const known = [...knownFields(loaded.rule), ...joined.fields]
    const one = compileRule(loaded.rule, { known, lists, complain })
    featureInputs(loaded, complain)
    responsesOf(one, known, bases.has(loaded.rule.name), complain)
    novelty(one, complain, (path, message) => void warnings.push(loaded.at(path, message)))
    examplesOf(loaded.rule, bases.has(loaded.rule.name), complain)
    exampleFields(loaded.rule, rules, known, complain)
    unusedParts(one, (path, message) => void warnings.push(loaded.at(path, message)))
    negatedFeatures(one, (path, message) => void warnings.push(loaded.at(path, message)))
    return one
  })
  problems.push(...repeated(rules), ...disagreeing(rules))
  const sorted = problems.sort((one, other) =>
    one.file === other.file ? one.line - other.line : one.file < other.file ? -1 : 1,
  )
  if (sorted.length > 0) return { problems: sorted, warnings }
  return { set: { rules, compiled, bases, absences, digest: ruleSetDigest(rules) }, problems: [], warnings }
}

type Complain = (path: readonly (string | number)[], message: string) => void

/** A feature reads fields of the event and of features before it. */
function featureInputs({ rule }: LoadedRule, complain: Complain): void {
  const known = knownFields(rule)
  for (const [name, analytic] of Object.entries(rule.analytics)) {
    const inputs = [...('of' in analytic ? [analytic.of].flat() : []), ...analytic.by]
    for (const field of inputs)
      if (!known.includes(field))
        complain(['analytics', name], `Unknown field '${field}', so the feature would never be ready.`)
  }
}

function repeated(rules: readonly LoadedRule[]): readonly Problem[] {
  const seen = new Map<string, LoadedRule>()
  return rules.flatMap((loaded) =>
    (['id', 'name'] as const).flatMap((key) => {
      const before = seen.get(`${key} ${loaded.rule[key]}`)
      seen.set(`${key} ${loaded.rule[key]}`, before ?? loaded)
      return before
        ? [loaded.at([key], `The ${key} is used already, by "${before.rule.title}" in ${before.file}.`)]
        : []
    }),
  )
}

/** One field, one meaning: rules of one category share their features. */
function disagreeing(rules: readonly LoadedRule[]): readonly Problem[] {
  const seen = new Map<string, { readonly text: string; readonly by: LoadedRule }>()
  return rules.flatMap((loaded) =>
    Object.entries(loaded.rule.analytics).flatMap(([name, analytic]) => {
      const key = `${loaded.rule.logsource?.category} ${name}`
      const text = canonicalize(analytic as unknown as Json)
      const before = seen.get(key)
      seen.set(key, before ?? { text, by: loaded })
      return before && before.text !== text
        ? [
            loaded.at(
              ['analytics', name],
              `"${before.by.rule.name}" in ${before.by.file} defines ${name} differently; give one of them another name.`,
            ),
          ]
        : []
    }),
  )
}

/** A selection nobody uses is mostly a slip of the pen in the condition. */
function unusedParts({ condition, parts }: CompiledRule, warn: Complain): void {
  if (!condition) return
  const used = new Set(mentioned(condition).map(({ name }) => name))
  for (const name of parts.keys())
    if (!used.has(name))
      warn(name === 'where' ? ['where'] : ['detection', name], `The condition does not use "${name}".`)
}

/** A feature that is not ready matches nothing, so its negation is true from the first event on. */
function negatedFeatures({ rule, condition, parts }: CompiledRule, warn: Complain): void {
  if (!condition) return
  for (const { name, negated } of mentioned(condition)) {
    const feature = negated && parts.get(name)?.fields.find((field) => field in rule.analytics)
    if (feature)
      warn(
        ['detection', 'condition'],
        `"not ${name}" is true while ${feature} is not ready; say "exists: true" beside it.`,
      )
  }
}
