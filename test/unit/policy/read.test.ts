import { describe, expect, it } from 'vitest'
import { parsePolicies, readPolicies } from '../../../src/policy/read.ts'

/** Problems of a file as `line path: message`. */
function problems(text: string): readonly string[] {
  return parsePolicies(text, 'p.yaml').problems.map(({ line, path, message }) => `${line} ${path}: ${message}`)
}

const rule = (rest: string) => `- rule: r\n  ${rest.replaceAll('\n', '\n  ')}\n`

describe('parsePolicies', () => {
  it('gives rules with their place', () => {
    const { rules } = parsePolicies(
      `# one\n${rule('when: { tool: a }\ndecision: allow')}- rule: s\n  when: { tool: b }\n  decision: deny\n`,
      'p.yaml',
    )
    expect(rules.map(({ rule: id, at }) => [id, at])).toEqual([
      ['r', { file: 'p.yaml', line: 2 }],
      ['s', { file: 'p.yaml', line: 5 }],
    ])
  })

  it.each([
    ['a file that is no list', 'rule: r', /1 : A policy file is a list/],
    ['an empty file', '', /1 : A policy file is a list/],
    ['broken YAML', '- rule: r\n  when: { tool: a', /^\d /],
    ['a key given twice', rule('when: { tool: a }\nwhen: { tool: b }\ndecision: allow'), /3 : .*unique/],
    ['an unknown tag', rule('when: { tool: !env HOME }\ndecision: allow'), /2 : .*tag/],
    ['a key called __proto__', rule('when: { tool: a, __proto__: b }\ndecision: deny'), /2 : .*'__proto__'/],
    ['a missing id', '- when: { tool: a }\n  decision: allow\n', /1 0\.rule: 'rule'/],
    ['a missing when', rule('decision: allow'), /1 0\.when: 'when'/],
    ['an empty when', rule('when: {}\ndecision: allow'), /2 0\.when: .*at least one fact/],
    ['an empty unless', rule('when: { tool: a }\nunless: {}\ndecision: deny'), /3 0\.unless: .*at least one fact/],
    [
      'a misspelt key',
      rule('when: { tool: a }\ndecision: deny\nreasn: x'),
      /4 0\.reasn: Unknown key 'reasn'; did you mean 'reason'\?/,
    ],
    ['a decision that is none', rule('when: { tool: a }\ndecision: block'), /3 0\.decision: 'decision'/],
    ['a number no reader carries', rule('when: { args.n: 9007199254740993 }\ndecision: deny'), /2 0\.when\.args\.n/],
    ['half a character', rule('when: { args.n: "\\ud800" }\ndecision: deny'), /2 0\.when\.args\.n/],
    ['a rule that does nothing', rule('when: { tool: a }\nreason: x'), /1 0: The rule does nothing/],
    [
      'an unknown mode of redaction',
      rule('when: { tool: a }\nredact:\n  - field: x\n    mode: blur'),
      /5 0\.redact\.0\.mode/,
    ],
    [
      'an unknown key of redaction',
      rule('when: { tool: a }\nredact:\n  - field: x\n    mode: mask\n    feild: y'),
      /6 0\.redact\.0\.feild: .*'field'/,
    ],
    [
      'an expression that does not parse',
      rule("when:\n  tool: a\n  cond: 'env =='\ndecision: deny"),
      /4 0\.when\.cond: Expected a value.*at character 7/,
    ],
    [
      'an expression with an unknown fact',
      rule("when: { tool: a, cond: 'subjct.region' }\ndecision: deny"),
      /did you mean 'subject\.region'/,
    ],
    [
      'an unknown fact',
      rule('when: { egress.domian: x }\ndecision: deny'),
      /2 0\.when\.egress\.domian: .*did you mean 'egress\.domain'/,
    ],
    [
      'an argument without its prefix',
      rule('when: { tool: a, env: prod }\ndecision: deny'),
      /an argument is written 'args\.env'/,
    ],
    ['a pattern where a literal stands', rule("when: { args.env: 'pr*' }\ndecision: deny"), /args\.env matches 'pr\*'/],
    ['a null fact', rule('when: { tool: a, args.env: }\ndecision: deny'), /2 0\.when\.args\.env: .*write "\*"/],
    ['a tool that is a number', rule('when: { tool: 7 }\ndecision: deny'), /2 0\.when\.tool: 'tool' is a name/],
    [
      'an expression that is no text',
      rule('when: { cond: true }\ndecision: deny'),
      /2 0\.when\.cond: An expression is a text/,
    ],
    ['a route with odd characters', rule('when: { tool: a }\nroute: ../x'), /3 0\.route: .*eu-west/],
    [
      'a reason of several lines',
      rule('when: { tool: a }\ndecision: deny\nreason: "a\\nb"'),
      /4 0\.reason: .*one line/,
    ],
    [
      'an example without an ending',
      rule('when: { tool: a }\ndecision: deny\nexamples:\n  - args: {}'),
      /5 0\.examples\.0\.expect: .*no_match/,
    ],
    [
      'an example with an unknown ending',
      rule('when: { tool: a }\ndecision: deny\nexamples:\n  - expect: maybe'),
      /5 0\.examples\.0\.expect/,
    ],
    [
      'an example that calls no tool',
      rule("when: { tool: '*' }\ndecision: deny\nexamples:\n  - expect: deny"),
      /5 0\.examples\.0: .*needs a `tool`/,
    ],
  ])('refuses %s', (_name, text, expected) => {
    const found = problems(text)
    expect(found.join('\n')).toMatch(expected)
    expect(parsePolicies(text, 'p.yaml').rules).toEqual([])
  })

  it('tells everything that is wrong, not only the first', () => {
    const text = `- rule: 'a b'\n  when: { tool: 3, subject.regio: x }\n  decision: no\n- rule: ok\n  when: { tool: a, cond: 'x <' }\n  unless: { data.pii: 1 }\n  route: r\n`
    expect(parsePolicies(text, 'p.yaml').problems.map(({ path }) => path)).toEqual([
      '0.rule',
      '0.decision',
      '0.when.tool',
      '0.when.subject.regio',
      '1.when.cond',
      '1.unless.data.pii',
    ])
  })

  it('survives nesting and aliases without end', () => {
    expect(problems('['.repeat(200_000)).length).toBeLessThanOrEqual(100)
    expect(problems('['.repeat(200_000))).not.toEqual([])
    const bomb = `a: &a [x, x, x, x, x, x, x, x, x]\n${'bcdefghi'
      .split('')
      .map((name, at) => `${name}: &${name} [${`*${'abcdefgh'[at]},`.repeat(9)}]`)
      .join('\n')}`
    expect(problems(bomb)).toHaveLength(1)
  })

  it('refuses a file beyond its size', () => {
    expect(problems('#'.repeat(1_048_577))).toEqual([expect.stringContaining('larger than 1048576')])
  })

  it('names both places of an id used twice, over all files', () => {
    const text = rule('when: { tool: a }\ndecision: allow')
    const { problems: found } = readPolicies([
      { text, file: 'a.yaml' },
      { text: `\n${text}`, file: 'b.yaml' },
    ])
    expect(found).toEqual([
      {
        file: 'b.yaml',
        line: 2,
        path: 'rule',
        message: "The id 'r' is already used at a.yaml:1; give this rule another.",
      },
    ])
  })
})
