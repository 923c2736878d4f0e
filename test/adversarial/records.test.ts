import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issuerOf, openTestGateway, type TestGateway } from '../support/gateway.ts'

const temporary = () => mkdtempSync(join(tmpdir(), 'sluicegate-records-'))
const manyRules = Array.from({ length: 300 }, (_, n) => ({
  rule: `fine-${n}`,
  when: { tool: 'orders.export' },
  decision: 'allow',
}))

let gate: TestGateway
beforeAll(async () => {
  const principals = [{ principal: 'user:ana', limits: { rpm: 2 } }]
  gate = await openTestGateway({ over: { principals, policies: ['builtin', ...manyRules] } })
})
afterAll(() => gate.close())

/** Every file of a data directory but its keys, as text. */
function everythingIn(data: string): string {
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const kept = files.filter(({ parentPath }) => !parentPath.endsWith('keys'))
  return kept.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1')).join('\n')
}

const orders = { from: '2025-09-01', to: '2025-09-02' }

describe('what an agent says of itself', () => {
  const [email, card] = ['canary.leak@private.example', '4111111111111111']

  it('reaches no record, span or alert when it is personal data', async () => {
    const data = temporary()
    const alerts = join(data, 'alerts.jsonl')
    const over = { alerts: { sinks: [{ kind: 'jsonl', path: alerts }] }, egress: { allow: ['*.vendor.example'] } }
    await using own = await openTestGateway({ data, over })
    const plan = { id: email, depth: 13, step: 1 }
    await own.call('orders.export', orders, { plan, client: `mail ${email}`, requestId: card, mcpSession: email })
    await own.call('orders.export', orders, { plan: { id: card }, client: card })
    await own.call(email, { card })
    await own.call('web.fetchSafe', { url: `https://${card}.vendor.example/?q=${card}` })
    const calls = (await own.records()).filter(({ type }) => type.startsWith('call.'))
    expect(calls.some(({ egress }) => egress?.domain === 'vendor.example')).toBe(true)
    expect(calls.some(({ tool, ext }) => tool?.name === '_OTHER' && ext?.['toolHash'] !== undefined)).toBe(true)
    await own.close()
    expect(readFileSync(alerts, 'utf8')).toContain('loop_arrest')
    expect(readdirSync(data)).toContain('spans.jsonl')
    const written = everythingIn(data)
    for (const canary of [email, 'canary.leak', card]) expect(written).not.toContain(canary)
    rmSync(data, { recursive: true, force: true })
  })
})

describe('a call that 300 rules allow', () => {
  it('is answered, and its record says so', async () => {
    expect((await gate.call('orders.export', orders)).ended).toBe('ok')
    const last = (await gate.records()).findLast(({ type }) => type === 'call.outcome')
    expect(last?.decision?.rules).toHaveLength(256)
    expect(last?.ext?.['cut']).toMatchObject({ 'decision.rules': expect.any(Number) as number })
  })
})

describe('a token with as many scopes as there may be', () => {
  it('has every one of them recorded', async () => {
    const grants = ['orders.read', ...Array.from({ length: 255 }, (_, n) => `x.read:${n}`)]
    const as = { sub: 'agent:greedy', grants }
    expect((await gate.call('orders.export', orders, { as })).ended).toBe('ok')
    const issued = (await gate.records()).filter(({ type, actor }) => type === 'grant.issue' && actor?.id === as.sub)
    expect(issued.flatMap((record) => record.grants?.map(({ scope }) => scope)).toSorted()).toEqual(grants.toSorted())
  })
})

describe('an agent that acts for somebody', () => {
  it('does not get past that person’s limits, whoever it says it is', async () => {
    const issuer = await issuerOf(gate.data)
    const ended = []
    for (const actor of ['agent:a', 'agent:b', 'agent:c', 'agent:d']) {
      const said = { sub: 'user:ana', tenant: 'acme', scopes: ['orders.read'], ttlSec: 600, act: { sub: actor } }
      const credential = { kind: 'bearer', token: issuer.issue(said) } as const
      ended.push((await gate.call('orders.export', orders, { credential })).ended)
    }
    expect(ended).toEqual(['ok', 'ok', 'rate_limited', 'rate_limited'])
  })
})

describe('a repeat', () => {
  const flag = () => ({ name: 'repeated', env: 'dev', rolloutPct: 5, idemKey: randomUUID() })

  it('is recorded with its key and the call it repeats', async () => {
    const args = flag()
    await gate.call('flag.set', args)
    await gate.call('flag.set', args)
    const [first, second] = (await gate.records()).filter(({ type }) => type === 'call.outcome').slice(-2)
    expect(second?.idem).toEqual({ keyDigest: first?.idem?.keyDigest, replayOf: first?.req })
    expect(gate.reported.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('by another caller is refused, and shows nothing', async () => {
    const args = flag()
    const first = await gate.call('flag.set', args)
    const other = await gate.call('flag.set', args, { as: { sub: 'agent:other' } })
    expect([first.ended, other.ended]).toEqual(['ok', 'idempotency_conflict'])
    expect(other.wire).not.toContain('repeated')
  })
})

describe('a killed stdio session', () => {
  it('stays killed in the next process, with a new token', async () => {
    const as = { sub: 'agent:stdio', sid: '' }
    const inProcess = async (processId: string) => {
      const credential = { kind: 'bearer', token: gate.token(as), processId } as const
      return gate.call('orders.export', orders, { transport: 'stdio', credential })
    }
    expect((await inProcess('p1')).ended).toBe('ok')
    const session = (await gate.records()).findLast(({ type }) => type === 'call.outcome')?.session ?? ''
    const order = { kind: 'session', target: session, reason: 'test' } as const
    await gate.started.gateway.switches.engage(order, { kind: 'operator', name: 'test' })
    expect([(await inProcess('p1')).ended, (await inProcess('p2')).ended]).toEqual(['session_killed', 'session_killed'])
  })
})

describe('a configuration that names what there is not', () => {
  it.each([
    [
      { tools: { 'flag.sett': { enabled: false } } },
      "tools.flag.sett: There is no tool 'flag.sett'; did you mean 'flag.set'?",
    ],
    [{ tools: { 'web.fetch': { enabled: false } } }, 'another name of'],
    [{ detector: { stages: { rules: { loop_arest: 'enforce' } } } }, "did you mean 'loop_arrest'?"],
    [{ egress: { block: ['https://x.example'] } }, 'every name below it is closed too'],
  ])('does not start: %j', async (over, sentence) => {
    await expect(openTestGateway({ over })).rejects.toThrow(sentence)
  })

  it('does not let development tokens live longer than it says', async () => {
    await using short = await openTestGateway({
      over: { auth: { maxTtlSeconds: 60, tenants: { acme: { home: 'US' } } } },
    })
    const ended = async (ttlSec: number) => (await short.call('orders.export', orders, { as: { ttlSec } })).ended
    expect([await ended(60), await ended(61)]).toEqual(['ok', 'unauthenticated'])
  })

  it('closes a domain in whatever way it is written', async () => {
    const block = ['EVIL.Partner.example.', '*.bad.example']
    const hosts = { 'evil.partner.example': 9, 'partner.example': 9 }
    const egress = { allow: Object.keys(hosts), hosts, block }
    await using closed = await openTestGateway({ over: { egress } })
    const fetched = async (url: string) => (await closed.call('web.fetchSafe', { url })).ended
    expect(await fetched('http://partner.example/')).toBe('upstream_unavailable')
    expect(await fetched('http://evil.partner.example/')).toBe('policy_denied')
    expect(closed.started.options.egress.block).toEqual(['evil.partner.example', 'bad.example'])
  })
})
