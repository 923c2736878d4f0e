import { compilePolicy } from './compile.ts'
import type { PolicyOptions } from './compile.ts'
import { inputOf } from './example.ts'
import type { Ending, Example, Expectation } from './example.ts'
import { soleTool } from './read.ts'
import type { PlacedRule, Rule } from './rule.ts'
import type { Policy, PolicyInput, PolicyVerdict } from './verdict.ts'

/** How one example came out. */
export interface ExampleResult {
  readonly rule: string
  readonly file: string
  /** Line of the rule that holds the example. */
  readonly line: number
  readonly name: string
  readonly passed: boolean
  /** What was asked and what came instead, in one sentence. Absent when it passed. */
  readonly message?: string
}

/**
 * Runs every example of these rules against all of them together. A shadow rule's own examples are judged as if it were enforced,
 * because that is the question it is there to answer.
 */
export function judgeExamples(rules: readonly PlacedRule[], options: PolicyOptions = {}): readonly ExampleResult[] {
  const policy = compilePolicy(rules, options)
  return rules.flatMap((rule) => {
    if (!rule.examples || rule.examples.length === 0) return []
    const own = rule.mode === 'shadow' ? compilePolicy(enforcing(rules, rule), options) : policy
    return rule.examples.map((example, at) => resultOf(rule, example, at, own))
  })
}

function enforcing(rules: readonly Rule[], shadow: Rule): readonly Rule[] {
  return rules.map((rule) => (rule === shadow ? { ...rule, mode: 'enforce' as const } : rule))
}

function resultOf(rule: PlacedRule, example: Example, at: number, policy: Policy): ExampleResult {
  const input = inputOf(example.tool ?? soleTool(rule) ?? '', example)
  const message = mismatches(expectationOf(example.expect), rule, input, policy).join('; ')
  const name = example.name ?? `example ${at + 1}`
  const { file, line } = rule.at
  return { rule: rule.rule, file, line, name, passed: message === '', ...(message !== '' && { message }) }
}

function expectationOf(expect: Example['expect']): Expectation {
  if (typeof expect !== 'string') return expect
  if (expect === 'match' || expect === 'no_match') return { matches: expect === 'match' }
  return { decision: expect }
}

function mismatches(expected: Expectation, rule: Rule, input: PolicyInput, policy: Policy): readonly string[] {
  const verdict = policy.judge(input)
  const ended = endingOf(verdict)
  const matched = verdict.rules.includes(rule.rule)
  const [redact, route] = [JSON.stringify(verdict.redact), verdict.route ?? 'nowhere']
  const missing = (expected.redact ?? []).filter((one) => !verdict.redact.some((other) => sameField(one, other)))
  return [
    ...unless(fits(ended, expected.decision), `expected ${expected.decision}, was ${ended}${becauseOf(verdict)}`),
    ...unless(
      expected.matches === undefined || expected.matches === matched,
      `expected the rule ${expected.matches ? '' : 'not '}to match`,
    ),
    ...unless(missing.length === 0, `expected redaction ${JSON.stringify(missing)}, was ${redact}`),
    ...unless(
      expected.route === undefined || expected.route === verdict.route,
      `expected route ${expected.route}, was ${route}`,
    ),
  ]
}

const unless = (holds: boolean, message: string): readonly string[] => (holds ? [] : [message])

function sameField(one: { field: string; mode: string }, other: { field: string; mode: string }): boolean {
  return one.field === other.field && one.mode === other.mode
}

function fits(ended: Ending, expected: Ending | undefined): boolean {
  return expected === undefined || expected === ended || (expected === 'deny' && ended !== 'allow')
}

/** How a call with this verdict ends at the gate. */
export function endingOf({ effect, deniedBy, approval, routeConflict }: PolicyVerdict): Ending {
  if (effect === 'deny') return deniedBy?.namesTicket ? 'ticket_required' : 'policy_denied'
  if (routeConflict) return 'region_unavailable'
  return approval ? 'approval_required' : 'allow'
}

function becauseOf({ effect, deniedBy, approval, routeConflict }: PolicyVerdict): string {
  if (deniedBy) return ` by '${deniedBy.rule}'`
  if (effect === 'deny') return ' because no rule allows it'
  if (routeConflict) return ' because two rules name different routes'
  return approval ? ` by '${approval.rules[0]}'` : ''
}
