import { describe, expect, it } from 'vitest'
import { compilePolicy } from '../../../src/policy/compile.ts'
import { inputOf } from '../../../src/policy/example.ts'
import type { Facts } from '../../../src/policy/example.ts'
import type { Rule } from '../../../src/policy/rule.ts'

const allow: Rule = { rule: 'allow', when: { tool: 'flag.set' }, decision: 'allow' }

/** The verdict of these rules on a call of `flag.set`. */
function judge(rules: readonly Rule[], facts: Facts = {}, tool = 'flag.set') {
  return compilePolicy(rules).judge(inputOf(tool, facts))
}

describe('a policy', () => {
  it('denies what no rule allows', () => {
    expect(judge([])).toEqual({ effect: 'deny', rules: [], redact: [], routeConflict: false })
  })

  it('allows what a rule allows', () => {
    expect(judge([allow])).toMatchObject({ effect: 'allow', rules: ['allow'] })
  })

  it('denies when any rule denies, wherever it stands', () => {
    const deny: Rule = { rule: 'deny', when: { 'args.env': 'prod' }, decision: 'deny', reason: 'not in prod' }
    expect(judge([deny, allow], { args: { env: 'prod' } })).toMatchObject({
      effect: 'deny',
      rules: ['deny', 'allow'],
      deniedBy: { rule: 'deny', reason: 'not in prod', namesTicket: false },
    })
    expect(judge([allow, deny], { args: { env: 'prod' } }).effect).toBe('deny')
    expect(judge([allow, deny], { args: { env: 'dev' } }).effect).toBe('allow')
  })

  it('asks for a person when a rule does: over an allow, and without one', () => {
    const ask: Rule = { rule: 'ask', when: { 'args.env': 'prod' }, decision: 'require_approval', reason: 'look first' }
    const more: Rule = { rule: 'more', when: { tool: '*' }, decision: 'require_approval' }
    const args = { env: 'prod' }
    const approval = { rules: ['ask', 'more'], reason: 'look first' }
    expect(judge([allow, ask, more], { args })).toMatchObject({
      effect: 'allow',
      rules: ['allow', 'ask', 'more'],
      approval,
    })
    expect(judge([ask], { args })).toMatchObject({ effect: 'allow', approval: { rules: ['ask'] } })
    expect(judge([allow, ask], { args: { env: 'dev' } }).approval).toBeUndefined()
    expect(judge([more]).approval?.reason).toBe('a person must approve this call')
  })

  it('denies what a rule denies, whoever could be asked', () => {
    const ask: Rule = { rule: 'ask', when: { tool: '*' }, decision: 'require_approval' }
    const deny: Rule = { rule: 'deny', when: { tool: '*' }, decision: 'deny' }
    for (const rules of [
      [ask, deny, allow],
      [deny, ask],
    ]) {
      const verdict = judge(rules)
      expect(verdict.effect).toBe('deny')
      expect(verdict.approval).toBeUndefined()
    }
  })

  it('only notes what a shadow rule would have asked', () => {
    const ask: Rule = { rule: 'ask', when: { tool: '*' }, decision: 'require_approval', mode: 'shadow' }
    const verdict = judge([allow, ask])
    expect(verdict.approval).toBeUndefined()
    expect(verdict.shadow).toEqual({ effect: 'require_approval', rules: ['ask'] })
  })

  it('lets a rule without a decision add obligations but never a permission', () => {
    const mask: Rule = { rule: 'mask', when: { tool: '*' }, redact: [{ field: 'email', mode: 'mask' }] }
    expect(judge([mask])).toMatchObject({ effect: 'deny', rules: ['mask'] })
    expect(judge([mask, allow])).toMatchObject({ effect: 'allow', redact: [{ field: 'email', mode: 'mask' }] })
  })

  it('takes the strictest mode that any rule asks for a field', () => {
    const modes = ['partial', 'hash', 'mask', 'drop', 'block'] as const
    for (const [at, stricter] of modes.entries()) {
      for (const weaker of modes.slice(0, at)) {
        const rule = (id: string, mode: (typeof modes)[number]): Rule => ({
          rule: id,
          when: { tool: '*' },
          redact: [{ field: 'email', mode }],
        })
        expect(judge([allow, rule('a', weaker), rule('b', stricter)]).redact).toEqual([
          { field: 'email', mode: stricter },
        ])
        expect(judge([allow, rule('a', stricter), rule('b', weaker)]).redact).toEqual([
          { field: 'email', mode: stricter },
        ])
      }
    }
  })

  it('takes one route from many rules that agree, and calls two different ones a conflict', () => {
    const route = (id: string, region: string): Rule => ({ rule: id, when: { tool: '*' }, route: region })
    expect(judge([allow, route('a', 'eu-west'), route('b', 'eu-west')])).toMatchObject({
      route: 'eu-west',
      routeConflict: false,
    })
    const conflict = judge([allow, route('a', 'eu-west'), route('b', 'us-east')])
    expect(conflict.routeConflict).toBe(true)
    expect(conflict).not.toHaveProperty('route')
  })

  it('does not match when all of `unless` hold, and matches when only some do', () => {
    const rule: Rule = { ...allow, unless: { 'args.env': 'prod', 'taint.tainted': true } }
    expect(judge([rule], { args: { env: 'prod' }, taint: { tainted: true } }).effect).toBe('deny')
    expect(judge([rule], { args: { env: 'prod' } }).effect).toBe('allow')
    expect(judge([rule], { taint: { tainted: true } }).effect).toBe('allow')
  })

  it('refuses two rules with one id', () => {
    expect(() => compilePolicy([allow, allow])).toThrow("Two policy rules are called 'allow'")
  })
})

describe('a rule that names the ticket', () => {
  const ticketRule = (cond: string): Rule => ({ rule: 'ticket', when: { tool: 'flag.set', cond }, decision: 'deny' })

  it.each(['!ticket', '!args.ticket', '!ctx.ticket', "!args['ticket']"])(
    'by %s says so, and sees only a confirmed one',
    (cond) => {
      const rules = [allow, ticketRule(cond)]
      expect(judge(rules).deniedBy).toEqual({
        rule: 'ticket',
        reason: 'this call needs an approved change ticket',
        namesTicket: true,
      })
      expect(judge(rules, { args: { ticket: 'made-up' } }).effect).toBe('deny')
      expect(judge(rules, { ticket: 'CHG-1' }).effect).toBe('allow')
    },
  )

  it('says so when only `unless` names it', () => {
    const rule: Rule = { rule: 'ticket', when: { tool: '*' }, unless: { 'ctx.ticket': '*' }, decision: 'deny' }
    expect(judge([allow, rule]).deniedBy?.namesTicket).toBe(true)
    expect(judge([allow, rule], { ticket: 'CHG-1' }).effect).toBe('allow')
  })

  it('gives way to a deny that no ticket would lift', () => {
    const final: Rule = { rule: 'final', when: { tool: '*' }, decision: 'deny', reason: 'never' }
    expect(judge([ticketRule('!ticket'), final]).deniedBy).toMatchObject({ rule: 'final', namesTicket: false })
  })
})

describe('a shadow rule', () => {
  const shadow: Rule = {
    rule: 'try-out',
    when: { 'args.env': 'prod' },
    decision: 'deny',
    mode: 'shadow',
    redact: [{ field: 'x', mode: 'drop' }],
  }

  it('is recorded and not obeyed', () => {
    expect(judge([allow, shadow], { args: { env: 'prod' } })).toEqual({
      effect: 'allow',
      rules: ['allow'],
      redact: [],
      routeConflict: false,
      shadow: { effect: 'deny', rules: ['try-out'] },
    })
  })

  it('leaves no mark when it does not match', () => {
    expect(judge([allow, shadow], { args: { env: 'dev' } })).not.toHaveProperty('shadow')
  })

  it('never allows', () => {
    const lenient: Rule = { ...allow, mode: 'shadow' }
    expect(judge([lenient])).toMatchObject({ effect: 'deny', rules: [], shadow: { effect: 'allow', rules: ['allow'] } })
  })

  it('counts a route that would conflict as a denial', () => {
    const routes: Rule[] = [
      { rule: 'a', when: { tool: '*' }, route: 'eu-west' },
      { rule: 'b', when: { tool: '*' }, route: 'us-east', mode: 'shadow' },
    ]
    expect(judge([allow, ...routes])).toMatchObject({
      effect: 'allow',
      route: 'eu-west',
      shadow: { effect: 'deny', rules: ['b'] },
    })
  })
})

describe('facts', () => {
  const on = (when: Rule['when']): Rule => ({ rule: 'on', when, decision: 'allow' })

  it('that equal a literal, or one of a list, hold', () => {
    const rules = [on({ 'subject.region': ['EU', 'UK'] })]
    expect(judge(rules, { subject: { region: 'UK' } }).effect).toBe('allow')
    expect(judge(rules, { subject: { region: 'uk' } }).effect).toBe('deny')
    expect(judge([on({ 'data.pii_count': 2 })], { data: { pii_count: 2 } }).effect).toBe('allow')
    expect(judge([on({ 'args.n': '2' })], { args: { n: 2 } }).effect).toBe('deny')
  })

  it('that are "*" hold for any value that is there', () => {
    const rules = [on({ 'egress.domain': '*' })]
    expect(judge(rules, { egress: { domain: 'x.example' } }).effect).toBe('allow')
    expect(judge(rules).effect).toBe('deny')
    expect(judge([on({ 'args.x': '*' })], { args: { x: null } }).effect).toBe('deny')
    expect(judge([on({ 'args.x': '*' })], { args: { x: '' } }).effect).toBe('allow')
  })

  it('on scopes hold for any scope in force, in either spelling', () => {
    const grants = ['orders.read', 'flags.write:staging']
    expect(judge([on({ 'scope.grants': 'write:flags:staging' })], { grants }).effect).toBe('allow')
    expect(judge([on({ tool: '*', cond: "scope.grants matches 'write:*'" })], { grants }).effect).toBe('allow')
    expect(judge([on({ 'scope.grants': 'orders.write' })], { grants }).effect).toBe('deny')
  })

  it('never come from a prototype', () => {
    for (const path of ['args.constructor', 'args.__proto__', 'args.toString']) {
      expect(judge([on({ [path]: '*' })]).effect).toBe('deny')
    }
  })
})

describe('the tool of a rule', () => {
  const aliases = { 'web.fetch': 'web.fetchSafe' }
  const judgeTool = (tool: Rule['when'][string], called: string) =>
    compilePolicy([{ rule: 'on', when: { tool }, decision: 'allow' }], { aliases }).judge(inputOf(called, {})).effect

  it.each([
    ['web.fetchSafe', 'web.fetchSafe', 'allow'],
    ['web.fetch', 'web.fetchSafe', 'allow'],
    ['web.fetch*', 'web.fetchSafe', 'allow'],
    ['web.fetchSafe', 'web.fetch', 'deny'],
    [['a', 'web.fetch'], 'web.fetchSafe', 'allow'],
    ['crm.*', 'crm.bulk_update', 'allow'],
    ['crm.*', 'crmx', 'deny'],
    ['*', 'anything', 'allow'],
    ['constructor', 'toString', 'deny'],
  ])('%j meets a call of %s: %s', (tool, called, effect) => {
    expect(judgeTool(tool, called)).toBe(effect)
  })

  it('may stand in `unless`', () => {
    const rules: Rule[] = [{ rule: 'most', when: { tool: '*' }, unless: { tool: 'crm.*' }, decision: 'allow' }]
    expect(judge(rules, {}, 'flag.set').effect).toBe('allow')
    expect(judge(rules, {}, 'crm.bulk_update').effect).toBe('deny')
  })
})

describe('the digest', () => {
  const digest = (rules: readonly Rule[]) => compilePolicy(rules).digest

  it('does not change with examples, places or the order of keys', () => {
    const same = {
      decision: 'allow',
      examples: [{ expect: 'allow' }],
      when: { tool: 'flag.set' },
      rule: 'allow',
      mode: 'enforce',
    } as const
    expect(digest([allow])).toMatch(/^[0-9a-f]{64}$/)
    const placed = { ...same, at: { file: 'f', line: 3 } }
    expect(digest([placed])).toBe(digest([allow]))
  })

  it('changes with the meaning', () => {
    const others: Rule[] = [
      { ...allow, mode: 'shadow' },
      { ...allow, reason: 'x' },
      { ...allow, when: { tool: 'flag.get' } },
      { ...allow, route: 'eu-west' },
    ]
    expect(new Set([allow, ...others].map((rule) => digest([rule]))).size).toBe(5)
  })
})

describe('explain', () => {
  it('says of every rule whether it matched, and what each condition saw', () => {
    const rules: Rule[] = [
      allow,
      {
        rule: 'prod',
        when: { tool: 'flag.set', cond: "env == 'prod' and pct > 10" },
        unless: { 'ctx.ticket': '*' },
        decision: 'deny',
        mode: 'shadow',
      },
    ]
    const traces = compilePolicy(rules).explain(inputOf('flag.set', { args: { env: 'prod', pct: 5 } }))
    expect(traces).toEqual([
      {
        rule: 'allow',
        mode: 'enforce',
        matched: true,
        effect: 'allow',
        conditions: [{ text: "tool matches ['flag.set']", held: true, saw: 'flag.set' }],
      },
      {
        rule: 'prod',
        mode: 'shadow',
        matched: false,
        effect: 'deny',
        conditions: [
          { text: "tool matches ['flag.set']", held: true, saw: 'flag.set' },
          { text: "env == 'prod' and pct > 10", held: false, saw: { 'args.env': 'prod', 'args.pct': 5 } },
          { text: 'unless present(ctx.ticket)', held: false },
        ],
      },
    ])
  })
})
