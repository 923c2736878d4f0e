import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compilePolicy } from '../../../src/policy/compile.ts'
import { inputOf } from '../../../src/policy/example.ts'
import { judgeExamples } from '../../../src/policy/judge-examples.ts'
import { parsePolicies } from '../../../src/policy/read.ts'
import { builtInAliases } from '../../../src/tools/catalog.ts'

const text = readFileSync(new URL('../../../policies/builtin.yaml', import.meta.url), 'utf8')
const { rules, problems } = parsePolicies(text, 'builtin.yaml')
const options = { aliases: builtInAliases }

describe('the policy that ships', () => {
  it('has no problems', () => {
    expect(problems).toEqual([])
  })

  it.each(rules.map((rule) => [rule.rule, rule] as const))(
    'tests %s with a call it is meant for and one it is not',
    (_id, rule) => {
      const policy = compilePolicy([{ ...rule, mode: 'enforce' }], options)
      const sole = typeof rule.when['tool'] === 'string' ? rule.when['tool'] : ''
      const matched = (rule.examples ?? []).map(
        (example) => policy.judge(inputOf(example.tool ?? sole, example)).rules.length,
      )
      expect(matched).toContain(1)
      if (rule.rule === 'builtin-allow-flag-set' || rule.rule === 'builtin-allow-web-fetch') return
      expect(matched).toContain(0)
    },
  )

  it('passes all its examples', () => {
    expect(judgeExamples(rules, options).filter(({ passed }) => !passed)).toEqual([])
  })

  it.each(rules.map((rule, at) => [rule.rule, at] as const))('fails an example when %s is taken away', (_id, at) => {
    const keep = rules.map((rule, place) => (place === at ? { ...rule, when: { tool: 'no.such.tool' } } : rule))
    expect(judgeExamples(keep, options).some(({ passed }) => !passed)).toBe(true)
  })

  it('gives every deny a reason that names no rule and no host', () => {
    for (const { decision, reason, rule } of rules) {
      if (decision !== 'deny') continue
      expect(reason).toBeTruthy()
      expect(reason).not.toContain(rule)
      expect(reason).not.toMatch(/\d+\.\d+\.\d+|https?:/)
    }
  })
})
