import { describe, expect, it } from 'vitest'
import { openRules } from '../../../src/detection/check.ts'

const good = `title: Burst of refusals
id: 0d6c6a38-52ab-4c3e-a3f1-3d2f4a5b6c01
name: refusal_burst
version: 1
status: test
tags: [owasp.asi02]
logsource: { product: sluicegate, category: mcp_tool_invoke }
analytics:
  refusals.same: { type: repeat_count, of: tool.name, by: [session.id], window: 2m }
  chain.novelty_score:
    type: sequence_novelty
    of: tool.name
    by: [tenant.id, session.id]
    order: 3
    aggregate: top2
    collapse_repeats: true
    known_when: { distinct_actors: 2, min_age: 24h }
    baseline: 30d
    cold_start: { until_sessions: 100, score: null }
detection:
  refused:
    policy.decision: deny
  often:
    refusals.same|gte: 8
  condition: refused and often and where
where: plan.depth > 3
level: medium
level_when:
  - if: plan.depth > 12
    level: high
suppress: { by: [session.id], for: 10m, missing: alert }
response:
  - action: pause_session
    target: session.id
    mode: enforce
    ttl: 5m
    undo: auto
    limits: { per_tenant: 5/1h }
tests:
  - name: eight refusals
    repeat: { times: 8, every: 1s, event: { session.id: s1, tool.name: flag.set, policy.decision: deny, plan.depth: 4 } }
    expect: { alerts: 1 }
  - name: seven refusals
    repeat: { times: 7, every: 1s, event: { session.id: s1, tool.name: flag.set, policy.decision: deny, plan.depth: 4 } }
    expect: { alerts: 0 }
`

const base = (name: string, id: string) => `title: Base ${name}
id: 0d6c6a38-52ab-4c3e-a3f1-3d2f4a5b6c${id}
name: ${name}
version: 1
status: test
logsource: { product: sluicegate, category: grant_change }
detection: { added: { grant.change: added }, condition: added }
level: informational
`

const correlation = `title: Two grants
id: 0d6c6a38-52ab-4c3e-a3f1-3d2f4a5b6c20
name: two_grants
version: 1
status: test
correlation:
  type: event_count
  rules: [grant_added]
  group-by: [grant.subject]
  missing: skip
  timespan: 1h
  condition: { gte: 2 }
level: low
tests:
  - { name: two, repeat: { times: 2, every: 1s, event: { kind: grant_change, grant.subject: a, grant.change: added } }, expect: { alerts: 1 } }
  - { name: one, events: [{ kind: grant_change, grant.subject: a, grant.change: added }], expect: { alerts: 0 } }
`

const open = (text: string) => openRules([{ file: 'rules.yml', text }])

/** Changes a text that must be there. */
function changed(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the rule has no "${from}"`)
  return text.replace(from, to)
}

const lineOf = (text: string, marker: string) => text.slice(0, text.indexOf(marker)).split('\n').length

/** What is wrong, how the text is changed, what the problem says, and a text on the line it must name. */
const bad: readonly (readonly [string, string, string, RegExp, string])[] = [
  ['YAML that does not parse', 'tags: [owasp.asi02]', 'tags: [owasp.asi02', /does not parse/, 'logsource:'],
  ['a key said twice', 'level: medium\n', 'level: medium\nlevel: low\n', /unique/i, 'level: low'],
  ['an unknown key', 'level: medium\n', 'level: medium\nseverity: high\n', /"severity" is no key/, 'severity: high'],
  ['an id that is no UUID', 'id: 0d6c6a38-52ab-4c3e-a3f1-3d2f4a5b6c01', 'id: burst', /UUID/, 'id: burst'],
  ['a name in capitals', 'name: refusal_burst', 'name: RefusalBurst', /rule name/, 'name: RefusalBurst'],
  ['a version of zero', 'version: 1', 'version: 0', />=1/, 'version: 0'],
  ['an end after more than a day', 'ttl: 5m', 'ttl: 25h', /a day at most/, 'ttl: 25h'],
  [
    'a second step after more than a day',
    'undo: auto',
    'undo: auto\n    escalate: { after: 2, within: 1h, to: kill_session, mode: ask, ttl: 25h }',
    /a day at most/,
    'escalate:',
  ],
  [
    'an action that nothing obeys',
    'action: pause_session',
    'action: pause_consumer',
    /Nothing obeys/,
    'action: pause_consumer',
  ],
  ['an unknown category', 'mcp_tool_invoke', 'process_creation', /Invalid option|category/i, 'logsource:'],
  ['another product', 'product: sluicegate', 'product: windows', /sluicegate/, 'logsource:'],
  [
    'neither detection nor correlation',
    good.slice(good.indexOf('detection:'), good.indexOf('level:')),
    '',
    /either detection or correlation/,
    'title:',
  ],
  [
    'a selection the condition names and nobody wrote',
    'condition: refused and often',
    'condition: refused and seldom',
    /no such selection/,
    'condition:',
  ],
  [
    'an unbalanced condition',
    'condition: refused and often',
    'condition: (refused and often',
    /not closed/,
    'condition:',
  ],
  [
    'an unknown field in a selection',
    'policy.decision: deny',
    'polcy.decision: deny',
    /Unknown field 'polcy.decision'; did you mean 'policy.decision'/,
    'refused:',
  ],
  [
    'an unknown field in where',
    'where: plan.depth',
    'where: plan.dept',
    /Unknown field 'plan.dept'; did you mean 'plan.depth'/,
    'where:',
  ],
  ['a chained comparison in where', 'where: plan.depth > 3', 'where: 1 < plan.depth < 3', /./, 'where:'],
  [
    'a regular expression',
    'policy.decision: deny\n',
    'policy.decision|re: ^d.*$\n',
    /Regular expressions are refused/,
    'policy.decision|re',
  ],
  [
    'an unknown modifier',
    'policy.decision: deny\n',
    'policy.decision|base64: deny\n',
    /"base64" is not supported/,
    'policy.decision|base64',
  ],
  [
    'a comparison with a text',
    'refusals.same|gte: 8',
    'refusals.same|gte: many',
    /gte compares with a number/,
    'refusals.same|gte',
  ],
  ['a keyword list', '  refused:\n    policy.decision: deny\n', '  refused:\n    - deny\n', /Keyword lists/, '- deny'],
  [
    'an unknown list',
    'policy.decision: deny\n',
    'policy.decision|expand: "%friends%"\n',
    /no list %friends%/,
    'policy.decision|expand',
  ],
  [
    'an unknown field in level_when',
    'if: plan.depth > 12',
    'if: plan.deepness > 12',
    /Unknown field 'plan.deepness'/,
    'if: plan.deepness',
  ],
  ['an unknown kind of feature', 'type: repeat_count', 'type: rate', /type|discriminator/i, 'refusals.same:'],
  [
    'a feature over an unknown field',
    'of: tool.name, by: [session.id]',
    'of: tool.nam, by: [session.id]',
    /Unknown field 'tool.nam'/,
    'refusals.same:',
  ],
  ['a period without a unit', 'window: 2m', "window: '120'", /is no period/, 'refusals.same:'],
  ['suppression that forgets missing fields', ', missing: alert', '', /suppress.by needs "missing/, 'suppress:'],
  [
    'suppression by an unknown field',
    'by: [session.id], for',
    'by: [sesion.id], for',
    /did you mean 'session.id'/,
    'suppress:',
  ],
  ['enforcement without limits', '    limits: { per_tenant: 5/1h }\n', '', /needs limits/, '- action:'],
  ['enforcement without an end', '    ttl: 5m\n', '', /needs ttl/, '- action:'],
  ['enforcement without a way back', '    undo: auto\n', '', /needs undo/, '- action:'],
  ['a rate of nothing', 'per_tenant: 5/1h', 'per_tenant: 0/1h', /allows nothing/, 'limits:'],
  [
    'enforcement by an experiment',
    'status: test',
    'status: experimental',
    /experimental rule may not enforce/,
    '- action:',
  ],
  [
    'an answer by default without limits',
    '    mode: enforce\n    ttl: 5m\n    undo: auto\n    limits: { per_tenant: 5/1h }\n',
    '    mode: ask\n    on_timeout: enforce\n',
    /needs limits, ttl, undo/,
    '- action:',
  ],
  ['an unknown action', 'action: pause_session', 'action: reboot_agent', /Invalid option/, 'action: reboot_agent'],
  [
    'an unknown target',
    'target: session.id',
    'target: session.uid',
    /Unknown field 'session.uid'/,
    'target: session.uid',
  ],
  ['a tenant-wide action on a session', 'action: pause_session', 'action: read_only', /target is tenant.id/, 'target:'],
  [
    'a kill from novelty alone',
    'refusals.same|gte: 8',
    'chain.novelty_score|gt: 0.9',
    /kill from novelty alone/,
    '- action:',
  ],
  ['no positive example', 'expect: { alerts: 1 }', 'expect: { alerts: 0 }', /no positive example/, 'tests:'],
  ['no negative example', 'expect: { alerts: 0 }', 'expect: { alerts: 1 }', /no negative example/, 'tests:'],
  [
    'a mistyped field in an example',
    'tool.name: flag.set',
    'tool.nmae: flag.set',
    /Unknown field 'tool.nmae' in an event; did you mean/,
    '- name: eight',
  ],
]

describe('rules check', () => {
  it('accepts the rule that the bad ones are made from', () => {
    expect(open(good).problems).toEqual([])
  })

  it.each(bad)('refuses %s, and names the line', (_what, from, to, message, marker) => {
    const text = changed(good, from, to)
    const { set, problems } = open(text)
    expect(set).toBeUndefined()
    expect(problems).toContainEqual(
      expect.objectContaining({
        file: 'rules.yml',
        line: lineOf(text, marker),
        message: expect.stringMatching(message) as string,
      }),
    )
  })

  it('refuses an id and a name used twice, across files', () => {
    const { problems } = openRules([
      { file: 'a.yml', text: good },
      { file: 'b.yml', text: good },
    ])
    expect(problems.map(({ file, path }) => `${file} ${path}`)).toEqual(['b.yml id', 'b.yml name'])
  })

  it('refuses one feature with two meanings', () => {
    const other = good.replace('c01', 'c02').replace('refusal_burst', 'other_burst').replace('window: 2m', 'window: 3m')
    expect(open(`${good}---\n${other}`).problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/defines refusals.same differently/),
    ])
  })

  it('reports every problem, not only the first', () => {
    const text = changed(
      changed(changed(good, 'tool.name, by', 'tool.nam, by'), 'where: plan.depth', 'where: plan.dept'),
      ', missing: alert',
      '',
    )
    expect(open(text).problems).toHaveLength(3)
  })

  it('refuses an empty file', () => {
    expect(open('').problems).toEqual([{ file: 'rules.yml', line: 1, path: '', message: 'The file holds no rule.' }])
  })

  it('refuses aliases that grow without bound', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x]',
      ...'bcdefgh'
        .split('')
        .map(
          (name, index) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefgh'[index]}`).join(', ')}]`,
        ),
    ].join('\n')
    expect(open(bomb).problems.length).toBeGreaterThan(0)
  })

  it('warns of the negation of a feature that may not be ready', () => {
    const { set, warnings } = open(
      changed(good, 'often and where', 'often and where and not calm').replace(
        '  condition:',
        '  calm: { refusals.same|lt: 2 }\n  condition:',
      ),
    )
    expect(set).toBeDefined()
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/"not calm" is true while refusals.same is not ready/),
    ])
  })

  it('warns of a selection that the condition does not use', () => {
    const { set, warnings } = open(changed(good, 'refused and often and where', 'refused and often'))
    expect(set).toBeDefined()
    expect(warnings).toEqual([
      expect.objectContaining({ path: 'where', message: expect.stringMatching(/does not use/) as string }),
    ])
  })

  it('lets novelty kill together with a second signal in when', () => {
    const text = changed(
      changed(good, 'refusals.same|gte: 8', 'chain.novelty_score|gt: 0.9'),
      '    mode: enforce\n',
      "    mode: enforce\n    when: 'taint.sink.source_markers >= 1'\n",
    )
    expect(open(text).problems).toEqual([])
  })
})

describe('rules check, of correlations', () => {
  const whole = `${base('grant_added', '10')}---\n${correlation}`

  it('accepts a count over a base rule without examples of its own', () => {
    expect(open(whole).problems).toEqual([])
  })

  it.each([
    ['group-by without missing', '  missing: skip\n', '', /needs "missing: skip"/],
    ['a base rule that is not there', 'rules: [grant_added]', 'rules: [grant_gone]', /no rule named "grant_gone"/],
    ['an unknown group field', 'group-by: [grant.subject]', 'group-by: [grant.sub]', /Unknown field 'grant.sub'/],
    ['a count without a number', '  condition: { gte: 2 }\n', '', /needs a condition/],
    ['value_count without a field', 'type: event_count', 'type: value_count', /needs a field/],
    ['an absence that is no plain one', 'type: event_count\n', 'type: temporal\n', /takes an expression/],
    [
      'an absence without grace',
      '  type: event_count\n  rules: [grant_added]',
      '  type: temporal\n  rules: [grant_added, grant_kept]',
      /./,
    ],
  ])('refuses %s', (_what, from, to, message) => {
    const { set, problems } = open(changed(whole, from, to))
    expect(set).toBeUndefined()
    expect(problems.map(({ message }) => message)).toContainEqual(expect.stringMatching(message))
  })

  it('asks an absence for its grace', () => {
    const text = `${base('grant_kept', '11')}---\n${whole}`
      .replace('type: event_count', 'type: temporal')
      .replace('rules: [grant_added]', 'rules: [grant_added, grant_kept]')
      .replace('condition: { gte: 2 }', 'condition: grant_added and not grant_kept')
    expect(open(text).problems.map(({ message }) => message)).toContainEqual(expect.stringMatching(/needs grace/))
  })
})
