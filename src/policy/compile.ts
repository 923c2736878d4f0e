import { createHash } from 'node:crypto'
import { canonicalize } from '../evidence/canonical.ts'
import type { Json } from '../ports/json.ts'
import { combine } from './combine.ts'
import { compileCondition } from './condition.ts'
import type { Asked, Condition } from './condition.ts'
import type { Conditions, Rule } from './rule.ts'
import { isShadow, secondOpinion } from './shadow.ts'
import type { Policy, PolicyVerdict, RuleTrace } from './verdict.ts'

export interface PolicyOptions {
  /** Other names of tools, from the catalog: a rule for `web.fetch` reaches `web.fetchSafe`. */
  readonly aliases?: Readonly<Record<string, string>>
}

interface CompiledRule {
  readonly rule: Rule
  readonly namesTicket: boolean
  /** Whether the rule is about a tool that goes by these names. */
  covers(names: readonly string[]): boolean
  readonly when: readonly Condition[]
  /** The conditions of `when` beside the one on the tool. */
  readonly facts: readonly Condition[]
  readonly unless: readonly Condition[]
}

/** Most tools whose rules are kept ready; a catalog beyond that is looked through again on each call. */
const indexedMax = 10_000

/**
 * Makes one function of all rules. Throws `ExpressionError` for a condition that does not compile and `Error` for an id used twice;
 * rules that `parsePolicies` accepted together do neither.
 */
export function compilePolicy(rules: readonly Rule[], options: PolicyOptions = {}): Policy {
  const compiled = rules.map(compileRule)
  refuseDuplicates(rules)
  const namesOf = namesIn(options.aliases ?? {})
  const rulesFor = indexed((tool) => compiled.filter((rule) => rule.covers(namesOf(tool))))
  return {
    digest: digestOf(rules),
    rulesCount: rules.length,
    judge: (input) => judge(rulesFor(input.tool), { input, names: namesOf(input.tool) }),
    explain: (input) => compiled.map((rule) => traceOf(rule, { input, names: namesOf(input.tool) })),
  }
}

function judge(candidates: readonly CompiledRule[], asked: Asked): PolicyVerdict {
  const matched = candidates.filter((rule) => matches(rule, asked))
  const shadow = secondOpinion(matched)
  return { ...combine(matched.filter((rule) => !isShadow(rule))), ...(shadow && { shadow }) }
}

/** Whether a rule that covers the tool matches; the index has already asked about the tool. */
function matches({ facts, unless }: CompiledRule, asked: Asked): boolean {
  return facts.every((one) => one.test(asked)) && !(unless.length > 0 && unless.every((one) => one.test(asked)))
}

function compileRule(rule: Rule): CompiledRule {
  const when = conditionsOf(rule.when)
  const unless = conditionsOf(rule.unless ?? {})
  const namesTicket = [...when, ...unless].some(({ expression }) => expression?.paths.includes('ctx.ticket'))
  const facts = when.filter(({ expression }) => expression)
  return { rule, when, facts, unless, namesTicket, covers: (names) => when.every((one) => one.covers?.(names) ?? true) }
}

function conditionsOf(conditions: Conditions): readonly Condition[] {
  return Object.entries(conditions).map(([key, value]) => compileCondition(key, value))
}

function traceOf(rule: CompiledRule, asked: Asked): RuleTrace {
  const line = (prefix: string) => (condition: Condition) => {
    const saw = condition.saw(asked)
    return { text: prefix + condition.text, held: condition.test(asked), ...(saw !== undefined && { saw }) }
  }
  return {
    rule: rule.rule.rule,
    mode: rule.rule.mode ?? 'enforce',
    matched: rule.covers(asked.names) && matches(rule, asked),
    effect: rule.rule.decision ?? 'obligation',
    conditions: [...rule.when.map(line('')), ...rule.unless.map(line('unless '))],
  }
}

/** Every name a tool goes by, its own first. */
function namesIn(aliases: Readonly<Record<string, string>>): (tool: string) => readonly string[] {
  const names = new Map<string, readonly string[]>()
  for (const [alias, tool] of Object.entries(aliases)) names.set(tool, [...(names.get(tool) ?? [tool]), alias])
  return (tool) => names.get(tool) ?? [tool]
}

function indexed(find: (tool: string) => readonly CompiledRule[]): (tool: string) => readonly CompiledRule[] {
  const ready = new Map<string, readonly CompiledRule[]>()
  return (tool) => {
    const found = ready.get(tool) ?? find(tool)
    if (ready.size < indexedMax) ready.set(tool, found)
    return found
  }
}

function refuseDuplicates(rules: readonly Rule[]): void {
  const ids = rules.map(({ rule }) => rule)
  const twice = ids.find((id, at) => ids.indexOf(id) !== at)
  if (twice !== undefined) throw new Error(`Two policy rules are called '${twice}'; ids must be unique over all files.`)
}

/** SHA-256 of what the rules mean, hex: examples and places left out. */
function digestOf(rules: readonly Rule[]): string {
  return createHash('sha256')
    .update(canonicalize(rules.map(meaningOf)))
    .digest('hex')
}

/** What a rule says to the gate, without its examples and its place. */
function meaningOf({ rule, when, unless, decision, reason, redact, route, mode }: Rule): Json {
  const parts = { rule, when, unless, decision, reason, redact, route, mode: mode ?? 'enforce' }
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined)) as Json
}
