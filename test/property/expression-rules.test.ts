import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePolicy } from '../../src/policy/compile.ts'
import { inputOf } from '../../src/policy/example.ts'
import { parsePolicies } from '../../src/policy/read.ts'
import type { Rule } from '../../src/policy/rule.ts'
import type { JsonObject } from '../../src/ports/json.ts'

const cond = fc.constantFrom(
  "env == 'prod'",
  'pct > 10 and not ticket',
  "lower(env) matches ['p*', '?x']",
  'len(list) >= 2',
  'pct + 1 < other',
)
const literal = fc.oneof(fc.constantFrom('prod', '*', 'EU', 10, true), fc.string({ maxLength: 4 }), fc.double())
const conditions = fc.dictionary(
  fc.constantFrom('tool', 'cond', 'args.env', 'args.pct', 'subject.region', 'egress.domain', 'nonsense', '__proto__'),
  fc.oneof(literal, cond, fc.array(literal, { maxLength: 2 })),
  { maxKeys: 3 },
)
const rule = fc.record(
  {
    rule: fc.constantFrom('a', 'b', 'c', 'd'),
    when: conditions,
    unless: conditions,
    decision: fc.constantFrom('allow', 'deny'),
    route: fc.constantFrom('eu-west', 'us-east'),
    mode: fc.constantFrom('enforce', 'shadow'),
  },
  { requiredKeys: ['rule', 'when', 'decision'] },
)

/** Rules that are right, by construction. */
const rightRule = fc.record(
  {
    when: fc.oneof(
      fc.record({ tool: fc.constantFrom('t', '*', 'u'), cond }),
      fc.record({ tool: fc.constantFrom('t', '*'), 'args.env': fc.constantFrom('prod', '*') }),
    ),
    decision: fc.constantFrom('allow' as const, 'deny' as const),
    mode: fc.constantFrom('enforce' as const, 'shadow' as const),
  },
  { requiredKeys: ['when', 'decision'] },
)
const rightRules = fc
  .array(rightRule, { maxLength: 6 })
  .map((rules) => rules.map((one, at): Rule => ({ rule: `r${at}`, ...one })))
const args = fc.dictionary(
  fc.constantFrom('env', 'pct', 'list', 'other', 'ticket'),
  fc.oneof(fc.constant('prod'), fc.jsonValue()),
) as fc.Arbitrary<JsonObject>

describe('rules', () => {
  it('that are read without problems compile, and judge any arguments', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 4 }), args, (rules, given) => {
        const { rules: read, problems } = parsePolicies(JSON.stringify(rules), 'generated.yaml')
        if (problems.length > 0) return
        const verdict = compilePolicy(read).judge(inputOf('t', { args: given }))
        expect(['allow', 'deny']).toContain(verdict.effect)
      }),
      { numRuns: 1_000 },
    )
  })

  it('are read or refused with a line inside the file, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(rule).map((rules) => JSON.stringify(rules, null, 1)),
        ),
        (text) => {
          for (const { line } of parsePolicies(text, 'generated.yaml').problems) {
            expect(line).toBeGreaterThan(0)
            expect(line).toBeLessThanOrEqual(text.split('\n').length)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('never allow more for a deny that is added, nor less for an allow', () => {
    fc.assert(
      fc.property(rightRules, rightRule, args, (rules, added, given) => {
        const before = compilePolicy(rules).judge(inputOf('t', { args: given })).effect
        const after = compilePolicy([...rules, { rule: 'added', ...added }]).judge(inputOf('t', { args: given })).effect
        if (added.mode === 'shadow') expect(after).toBe(before)
        else if (added.decision === 'deny' && before === 'deny') expect(after).toBe('deny')
        else if (added.decision === 'allow' && before === 'allow') expect(after).toBe('allow')
      }),
      { numRuns: 1_000 },
    )
  })

  it('say the same in any order', () => {
    fc.assert(
      fc.property(rightRules, args, (rules, given) => {
        const input = inputOf('t', { args: given })
        expect(compilePolicy(rules.toReversed()).judge(input).effect).toBe(compilePolicy(rules).judge(input).effect)
      }),
      { numRuns: 300 },
    )
  })
})
