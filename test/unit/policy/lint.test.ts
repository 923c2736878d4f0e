import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { lintPolicies } from '../../../src/policy/lint.ts'
import { parsePolicies } from '../../../src/policy/read.ts'

const tools = new Map([['t', { fields: ['env', 'pct', 'note'], required: ['env'] }]])

function warnings(rule: string): readonly string[] {
  const { rules, problems } = parsePolicies(`- { rule: r, ${rule} }\n`, 'p.yaml')
  expect(problems).toEqual([])
  return lintPolicies(rules, tools).map(({ line, path, message }) => `${line} ${path}: ${message}`)
}

describe('lintPolicies', () => {
  it.each([
    [
      `decision: deny, when: { tool: t, cond: "pct > 10" }`,
      "1 r.when.cond: A caller that leaves out 'pct' is not denied",
    ],
    [
      `decision: deny, when: { tool: t, args.note: x }`,
      "1 r.when.args.note: A caller that leaves out 'args.note' is not denied",
    ],
    [
      `decision: require_approval, when: { tool: t, cond: "pct > 10" }`,
      "1 r.when.cond: A caller that leaves out 'pct' is not denied",
    ],
    [`decision: deny, when: { tool: t, cond: "note != 'ok'" }`, "'!=' holds when 'note' is missing"],
    [`decision: allow, when: { cond: "url.scheme != 'http'" }`, "'!=' holds when 'url.scheme' is missing"],
    [`decision: deny, when: { tool: t, cond: "envv == 'prod'" }`, "The tool has no argument 'envv'"],
  ])('warns of %s', (rule, message) => {
    const found = warnings(rule)
    expect(found.join('\n')).toContain(message)
  })

  it.each([
    `decision: deny, when: { tool: t, cond: "env == 'prod' and not ctx.ticket" }`,
    `decision: deny, when: { tool: t, cond: "env != 'dev'" }`,
    `decision: allow, when: { tool: t, cond: "pct <= 10" }`,
    `decision: deny, when: { tool: unknown.tool, cond: "pct > 10" }`,
  ])('is silent about %s', (rule) => {
    expect(warnings(rule)).toEqual([])
  })

  it('is silent about the rules that ship', () => {
    const text = readFileSync(new URL('../../../policies/builtin.yaml', import.meta.url), 'utf8')
    expect(lintPolicies(parsePolicies(text, 'builtin.yaml').rules, new Map())).toEqual([])
  })
})
