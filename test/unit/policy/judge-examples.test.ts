import { describe, expect, it } from 'vitest'
import { judgeExamples } from '../../../src/policy/judge-examples.ts'
import { parsePolicies } from '../../../src/policy/read.ts'

/** Results of the examples in these rules: a name, and what was wrong. */
function results(text: string): readonly (readonly [string, string | undefined])[] {
  const { rules, problems } = parsePolicies(text, 'p.yaml')
  expect(problems).toEqual([])
  return judgeExamples(rules).map(({ name, message }) => [name, message])
}

const policy = (examples: string) => `
- rule: allow
  when: { tool: t }
  decision: allow
- rule: deny
  when: { tool: t, args.bad: true }
  decision: deny
  reason: no
- rule: obligations
  when: { tool: t }
  redact: [{ field: email, mode: mask }]
  route: eu-west
  examples:
    - ${examples}
`

describe('judgeExamples', () => {
  it('knows a call that waits for a person from one that is allowed, and counts it among the denied', () => {
    const asking = (expect_: string) =>
      results(`- { rule: a, when: { tool: t }, decision: require_approval, examples: [{ expect: ${expect_} }] }`)
    expect(asking('approval_required')).toEqual([['example 1', undefined]])
    expect(asking('deny')).toEqual([['example 1', undefined]])
    expect(asking('allow')).toEqual([['example 1', "expected allow, was approval_required by 'a'"]])
  })

  it.each([
    'expect: allow',
    '{ args: { bad: true }, expect: deny }',
    '{ args: { bad: true }, expect: policy_denied }',
    'expect: match',
    '{ tool: other, expect: no_match }',
    '{ expect: { decision: allow, matches: true, route: eu-west, redact: [{ field: email, mode: mask }] } }',
  ])('passes %s', (example) => {
    expect(results(policy(example))).toEqual([['example 1', undefined]])
  })

  it.each([
    ['{ name: n, expect: deny }', 'expected deny, was allow'],
    ['{ name: n, args: { bad: true }, expect: allow }', "expected allow, was policy_denied by 'deny'"],
    ['{ name: n, tool: x, expect: allow }', 'expected allow, was policy_denied because no rule allows it'],
    [
      '{ name: n, args: { bad: true }, expect: ticket_required }',
      "expected ticket_required, was policy_denied by 'deny'",
    ],
    ['{ name: n, expect: no_match }', 'expected the rule not to match'],
    [
      '{ name: n, expect: { route: us-east, redact: [{ field: email, mode: drop }] } }',
      'expected redaction [{"field":"email","mode":"drop"}], was [{"field":"email","mode":"mask"}]; expected route us-east, was eu-west',
    ],
  ])('fails %s', (example, message) => {
    expect(results(policy(example))).toEqual([['n', message]])
  })

  it('judges a shadow rule by its own examples as if it were enforced', () => {
    const text = `
- rule: allow
  when: { tool: t }
  decision: allow
  examples: [{ name: shadow is not obeyed here, expect: allow }]
- rule: try
  when: { tool: t }
  decision: deny
  mode: shadow
  examples: [{ name: but here, expect: { decision: deny, matches: true } }]
`
    expect(results(text).map(([, message]) => message)).toEqual([undefined, undefined])
  })
})
