import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { parseDetectionText } from '../../src/expression/detection-text.ts'
import { compilePolicy } from '../../src/policy/compile.ts'
import { inputOf } from '../../src/policy/example.ts'
import type { Facts } from '../../src/policy/example.ts'
import { endingOf } from '../../src/policy/judge-examples.ts'
import { readPolicies } from '../../src/policy/read.ts'
import { builtInAliases } from '../../src/tools/catalog.ts'

const read = (file: string) => readFileSync(new URL(`documents/${file}`, import.meta.url), 'utf8')
const policyFiles = ['developer-policy.yaml', 'engineering-policy.yaml', 'security-policy.yaml']
const shipped = readFileSync(new URL('../../policies/builtin.yaml', import.meta.url), 'utf8')

/** The policy of these documents alone, or with the shipped rules beside them. */
function policyOf(files: readonly string[], more: readonly { file: string; text: string }[] = []) {
  const { rules, problems } = readPolicies([...files.map((file) => ({ file, text: read(file) })), ...more])
  expect(problems).toEqual([])
  return compilePolicy(rules, { aliases: builtInAliases })
}

const all = policyOf(policyFiles, [{ file: 'builtin.yaml', text: shipped }])
const judge = (tool: string, facts: Facts) => all.judge(inputOf(tool, facts))
const ending = (tool: string, facts: Facts) => endingOf(judge(tool, facts))

describe("the documents' policies", () => {
  it.each(policyFiles)('load as they stand: %s', (file) => {
    expect(policyOf([file]).rulesCount).toBeGreaterThan(1)
  })

  it('load together with the rules that ship', () => {
    expect(all.rulesCount).toBeGreaterThan(8)
  })

  describe('flag.set', () => {
    const prod = (rolloutPct: number) => ({ args: { name: 'checkout_v2', env: 'prod', rolloutPct } })
    it('denies 50 % in prod without a ticket, in the words of the rule', () => {
      const alone = policyOf(['engineering-policy.yaml']).judge(inputOf('flag.set', prod(50)))
      expect(alone).toMatchObject({
        effect: 'deny',
        deniedBy: { reason: 'Prod change >10% requires ticket', namesTicket: true },
      })
      expect(ending('flag.set', prod(50))).toBe('ticket_required')
    })

    it('allows 10 % in prod, and 50 % with a confirmed ticket', () => {
      expect(ending('flag.set', prod(10))).toBe('allow')
      expect(ending('flag.set', { ...prod(50), ticket: 'CHG-1001' })).toBe('allow')
    })

    it('is not fooled by a ticket that only the caller knows', () => {
      expect(ending('flag.set', { args: { ...prod(50).args, ticket: 'CHG-9999' } })).toBe('ticket_required')
    })
  })

  describe('orders.export', () => {
    const args = { from: '2025-08-25', to: '2025-08-31' }
    it('is allowed, with emails masked', () => {
      const verdict = policyOf(['engineering-policy.yaml']).judge(inputOf('orders.export', { args }))
      expect(verdict).toMatchObject({ effect: 'allow', redact: [{ field: 'email', mode: 'mask' }] })
    })

    it('goes to eu-west for the EU and nowhere special for the US', () => {
      expect(judge('orders.export', { args, subject: { region: 'EU' }, data: { contains_pii: true } })).toMatchObject({
        effect: 'allow',
        route: 'eu-west',
        routeConflict: false,
      })
      expect(judge('orders.export', { args }).route).toBeUndefined()
    })
  })

  it('route personal data of the EU, and only that', () => {
    const developer = policyOf(['developer-policy.yaml'])
    const routeOf = (facts: Facts) => developer.judge(inputOf('orders.export', facts)).route
    expect(routeOf({ subject: { region: 'EU' }, data: { contains_pii: true } })).toBe('eu-west')
    expect(routeOf({ subject: { region: 'EU' }, data: { contains_pii: false } })).toBeUndefined()
    expect(routeOf({ subject: { region: 'US' }, data: { contains_pii: true } })).toBeUndefined()
  })

  describe('crm.bulk_update', () => {
    it('needs a ticket above 1,000', () => {
      expect(ending('crm.bulk_update', { args: { count: 1001 } })).toBe('ticket_required')
      expect(ending('crm.bulk_update', { args: { count: 1000 } })).toBe('allow')
      expect(ending('crm.bulk_update', { args: { count: 1001 }, ticket: 'CHG-1' })).toBe('allow')
    })
  })

  describe('web.fetch', () => {
    const vendor = {
      args: { url: 'https://api.vendor.example/' },
      egress: { domain: 'vendor.example', domain_in_allowlist: true },
    }
    const security = policyOf(['security-policy.yaml'])

    it('reaches web.fetchSafe through its alias', () => {
      const metadata = inputOf('web.fetchSafe', { url: { hostname: '169.254.169.254' } })
      expect(security.judge(metadata).deniedBy?.rule).toBe('block-ssrf')
      expect(
        security.judge(inputOf('web.fetchSafe', { url: { hostname: 'x.example', is_link_local: true } })).deniedBy
          ?.rule,
      ).toBe('block-ssrf')
      expect(security.judge(inputOf('web.fetchSafe', { url: { hostname: 'x.example' } })).deniedBy).toBeUndefined()
    })

    it('may call a vendor on the list and no other', () => {
      expect(ending('web.fetchSafe', { ...vendor, url: { hostname: 'api.vendor.example' } })).toBe('allow')
      expect(
        judge('web.fetchSafe', { ...vendor, egress: { domain: 'evil.example', domain_in_allowlist: false } }),
      ).toMatchObject({
        effect: 'deny',
        deniedBy: { namesTicket: false },
      })
    })
  })

  it('deny a call that no rule speaks of', () => {
    expect(ending('orders.delete', {})).toBe('policy_denied')
  })
})

describe("the documents' detections", () => {
  const names = new Set(['policy.decision', 'actor.type', 'scope.grants', 'ttl_sec', 'chain.novelty_score'])
  const test = (file: string, event: Readonly<Record<string, unknown>>) =>
    compileExpression(parseDetectionText(read(file)).text, { names }).test((path) => event[path])

  it('find a write grant that lives too long', () => {
    const event = {
      'policy.decision': 'allow',
      'actor.type': 'agent',
      'scope.grants': ['orders.read', 'write:flags:prod'],
      ttl_sec: 901,
    }
    expect(test('security-detection-where.txt', event)).toBe(true)
    expect(test('security-detection-where.txt', { ...event, ttl_sec: 900 })).toBe(false)
    expect(test('security-detection-where.txt', { ...event, 'scope.grants': ['orders.read'] })).toBe(false)
  })

  it('find a novel chain that was allowed', () => {
    expect(parseDetectionText(read('security-detection-if.txt')).title).toBe('Novel tool chain allowed')
    expect(test('security-detection-if.txt', { 'chain.novelty_score': 0.96, 'policy.decision': 'allow' })).toBe(true)
    expect(test('security-detection-if.txt', { 'chain.novelty_score': 0.96, 'policy.decision': 'deny' })).toBe(false)
    expect(test('security-detection-if.txt', { 'chain.novelty_score': null, 'policy.decision': 'allow' })).toBe(false)
  })
})
