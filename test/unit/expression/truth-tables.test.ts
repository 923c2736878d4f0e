import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../../src/expression/compile.ts'
import { parseDetectionText } from '../../../src/expression/detection-text.ts'

/** Marks a field that the scope lacks. */
const missing = Symbol('missing')

interface Table {
  readonly text: string
  /** A scope in which the expression holds. */
  readonly holds: Readonly<Record<string, unknown>>
  /** For each field, other values and what the expression then gives. */
  readonly rows: Readonly<Record<string, readonly (readonly [unknown, boolean])[]>>
}

const policyTables: readonly Table[] = [
  {
    text: "env == 'prod' && rolloutPct > 10 && !ticket",
    holds: { 'args.env': 'prod', 'args.rolloutPct': 50 },
    rows: {
      'args.env': [
        [missing, false],
        [null, false],
        [7, false],
        [['prod'], false],
        ['PROD', false],
        ['staging', false],
      ],
      'args.rolloutPct': [
        [missing, false],
        [null, false],
        ['50', false],
        [[50], false],
        [true, false],
        [10, false],
        [10.01, true],
      ],
      'args.ticket': [
        [missing, true],
        [null, true],
        ['', true],
        [0, true],
        [[], true],
        [false, true],
        ['CHG-1', false],
        [{}, false],
        [['x'], false],
      ],
    },
  },
  {
    text: 'args.count > 1000 && !ctx.ticket',
    holds: { 'args.count': 1001 },
    rows: {
      'args.count': [
        [missing, false],
        [null, false],
        ['1001', false],
        [[1001], false],
        [{}, false],
        [1000, false],
        [1e9, true],
      ],
      'ctx.ticket': [
        [missing, true],
        [null, true],
        ['', true],
        ['CHG-1', false],
        [1, false],
      ],
    },
  },
  {
    text: "url.is_link_local || url.hostname in ['169.254.169.254']",
    holds: { 'url.is_link_local': true, 'url.hostname': 'x.example' },
    rows: {
      'url.is_link_local': [
        [missing, false],
        [null, false],
        [false, false],
        [0, false],
        ['true', true],
        [1, true],
      ],
      'url.hostname': [
        [missing, true],
        [null, true],
        [9, true],
        ['169.254.169.254', true],
      ],
    },
  },
  {
    text: "url.is_link_local || url.hostname in ['169.254.169.254']",
    holds: { 'url.is_link_local': false, 'url.hostname': '169.254.169.254' },
    rows: {
      'url.is_link_local': [
        [missing, true],
        [null, true],
        [[], true],
      ],
      'url.hostname': [
        [missing, false],
        [null, false],
        [169, false],
        ['169.254.169.25', false],
        [['a', '169.254.169.254'], true],
      ],
    },
  },
  {
    text: "subject.region == 'EU'",
    holds: { 'subject.region': 'EU' },
    rows: {
      'subject.region': [
        [missing, false],
        [null, false],
        ['eu', false],
        [['EU'], false],
        [1, false],
      ],
    },
  },
]

const grantRule = `where policy.decision == "allow"
and actor.type == "agent"
and scope.grants matches "write:*"
and ttl_sec > 900`
const noveltyRule = `if chain.novelty_score > 0.95 and policy.decision == "allow":
  alert "Novel tool chain allowed"`

const detectionTables: readonly Table[] = [
  {
    text: parseDetectionText(grantRule).text,
    holds: {
      'policy.decision': 'allow',
      'actor.type': 'agent',
      'scope.grants': ['orders.read', 'write:flags'],
      ttl_sec: 901,
    },
    rows: {
      'policy.decision': [
        [missing, false],
        [null, false],
        ['Allow', false],
        [['allow'], false],
      ],
      'actor.type': [
        [missing, false],
        [null, false],
        ['user', false],
        [3, false],
      ],
      'scope.grants': [
        [missing, false],
        [null, false],
        ['write:x', true],
        ['read:write:x', false],
        [[], false],
        [[1, null], false],
        [['write:'], true],
      ],
      ttl_sec: [
        [missing, false],
        [null, false],
        ['901', false],
        [900, false],
        [900.5, true],
      ],
    },
  },
  {
    text: parseDetectionText(noveltyRule).text,
    holds: { 'chain.novelty_score': 0.96, 'policy.decision': 'allow' },
    rows: {
      'chain.novelty_score': [
        [missing, false],
        [null, false],
        ['0.96', false],
        [0.95, false],
        [1, true],
      ],
      'policy.decision': [
        [missing, false],
        [null, false],
        ['deny', false],
        [true, false],
      ],
    },
  },
]

const resolve = (name: string) => (name.includes('.') || name === 'ttl_sec' ? name : `args.${name}`)

describe.each([...policyTables, ...detectionTables])('$text', ({ text, holds, rows }) => {
  const names = new Set([...Object.keys(holds), ...Object.keys(rows)])
  const expression = compileExpression(text, { names, resolve })
  const test = (scope: Readonly<Record<string, unknown>>) => expression.test((path) => scope[path])

  it('holds when every part of it does', () => {
    expect(test(holds)).toBe(true)
  })

  for (const [field, values] of Object.entries(rows)) {
    it.each(values)(`with ${field} = %s is %s`, (value, expected) => {
      const { [field]: _left, ...others } = holds
      expect(test(value === missing ? others : { ...others, [field]: value })).toBe(expected)
    })
  }
})
