import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConfigState } from '../../../src/apps/reload.ts'
import { lines } from '../../../src/server/lines.ts'
import { listenStdio } from '../../../src/server/stdio.ts'
import { openTestGateway, type TestGateway } from '../../support/gateway.ts'
import { until } from '../../support/until.ts'
import { initialize, legacyCall, rpc, send, type Message } from '../../support/wire.ts'

let folder: string
let gate: TestGateway
const file = (name: string) => join(folder, name)
const write = (name: string, text: string) => writeFileSync(file(name), text)

const limits = '{ rpm: 60000, burst: 5, concurrency: 8 }'

/** A development configuration; `more` is laid under it as text. */
const configuration = (more = '', principal = `limits: ${limits}`) => `
mode: development
auth: { tenants: { acme: { home: US } } }
services: builtin
policies: [builtin, rules.yaml]
principals: [people.yaml, { principal: 'agent:release', ${principal} }]
alerts: { sinks: [{ kind: jsonl, path: alerts.jsonl }] }
${more}`

const rules = (decision: 'allow' | 'deny') => `
- rule: september
  when: { tool: orders.export, cond: "args.from >= '2025-09-01'" }
  decision: ${decision}
  ${decision === 'deny' ? 'reason: September is closed.' : ''}
  examples: [{ expect: match, args: { from: '2025-09-02', to: '2025-09-02' } }]
`
const september = { from: '2025-09-02', to: '2025-09-02' }
const flag = (name: string, env = 'staging') => ({ name, env, rolloutPct: 5, idemKey: crypto.randomUUID() })

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluicegate-reload-'))
  write('rules.yaml', rules('allow'))
  write('people.yaml', '- { principal: agent:other, deny: [flags.write:prod] }\n')
  write('sluicegate.yaml', configuration())
  gate = await openTestGateway({ file: file('sluicegate.yaml') })
})
afterEach(async () => {
  await gate.close()
  rmSync(folder, { recursive: true, force: true })
})

const reload = () => gate.started.reloads!.reload()
const state = () => gate.started.reloads!.state()
const recorded = async (type: string) => (await gate.records()).filter((record) => record.type === type)

/** Resolves when the files have been looked at and the state says so. */
const stands = (so: (state: ConfigState) => boolean): Promise<void> => until(() => so(state()), so.toString())

describe('a changed policy', () => {
  it('judges the next call, without a word to the gateway', async () => {
    const before = state()
    expect((await gate.call('orders.export', september)).ended).toBe('ok')
    write('rules.yaml', rules('deny'))
    await stands(({ policyDigest }) => policyDigest !== before.policyDigest)
    expect(await gate.call('orders.export', september)).toMatchObject({
      ended: 'policy_denied',
      text: 'DENY policy_denied: Denied: September is closed.',
    })

    const [first, second] = (await gate.records()).filter(({ decision }) => decision !== undefined)
    expect(first?.decision?.bundleDigest).toBe(before.policyDigest)
    expect(second?.decision?.bundleDigest).toBe(state().policyDigest)
    const loads = (await gate.records()).filter(({ type }) => type === 'policy.load' || type === 'config.load')
    expect(loads.map(({ type }) => type)).toEqual(['config.load', 'policy.load', 'policy.load', 'config.load'])
    expect(loads[3]?.ext).toMatchObject({
      digest: state().digest,
      previous: before.digest,
      policy: state().policyDigest,
    })
  })

  it('is not loaded twice when it did not change', async () => {
    await after(1_000) // looked at twice
    expect(gate.reported.filter(({ config }) => config !== undefined)).toEqual([])
    write('rules.yaml', rules('allow'))
    expect((await reload()).kind).toBe('unchanged')
    expect(await recorded('config.load')).toHaveLength(1)
  })
})

describe('a change with a problem', () => {
  const before = () => recorded('config.load')

  it.each([
    ['that is no YAML', 'sluicegate.yaml', 'mode: [', 'sluicegate.yaml:1'],
    ['with an unknown key', 'sluicegate.yaml', configuration('colour: red'), 'sluicegate.yaml:8'],
    [
      'that names a file which is not there',
      'sluicegate.yaml',
      configuration('baseline: gone.yaml'),
      'sluicegate.yaml:8',
    ],
    ['whose rule is wrong', 'rules.yaml', rules('allow').replace('decision', 'decisoin'), 'rules.yaml:'],
    ['whose rule breaks its own example', 'rules.yaml', rules('allow').replace('>=', '<'), 'rules.yaml:2'],
    ['that only a restart can apply', 'sluicegate.yaml', configuration('evidence: { gateway: other }'), 'evidence'],
    ['that sets something for a tool there is not', 'sluicegate.yaml', configuration('tools: { nope: {} }'), 'tools'],
  ])('%s leaves everything as it was, and says so', async (_what, name, text, place) => {
    const { digest, policyDigest } = state()
    const loads = await before()
    write(name, text)
    const ended = await reload()
    if (ended.kind !== 'refused') throw new Error(ended.kind)
    expect(state()).toMatchObject({ digest, policyDigest })
    expect((await gate.call('orders.export', september)).ended).toBe('ok')

    expect(await before()).toEqual(loads)
    const [refused, ...more] = await recorded('config.refused')
    expect(more).toEqual([])
    expect(refused?.ext).toMatchObject({ inForce: digest, problems: ended.problems.length })
    expect(refused?.ext?.['digest']).not.toBe(digest)
    expect(refused?.ext?.['places']).toContainEqual(expect.stringContaining(place))

    await gate.started.gateway.detector.settled()
    const told = (await recorded('alert')).filter(({ ext }) => ext?.['rule'] === 'config_refused')
    expect(told.map(({ ext }) => ext)).toMatchObject([{ severity: 'high', evidence: [{ seq: refused?.seq }] }])
    const delivered = readFileSync(file('alerts.jsonl'), 'utf8').split('\n')
    expect(delivered.filter((line) => line.includes(`"id":"${told[0]?.ext?.['id'] as string}"`))).toHaveLength(1)
    expect(gate.reported.filter(({ config }) => config === 'refused')).toHaveLength(1)
  })

  it('is shown as a warning, not as unreadiness, until it is mended', async () => {
    write('rules.yaml', '- nonsense')
    await reload()
    const ready = async () => {
      const { status, text } = await send(`${gate.admin}/readyz`, { method: 'GET' })
      return { status, ...(JSON.parse(text) as { warnings: string[] }) }
    }
    expect(await ready()).toMatchObject({ status: 200, warnings: [expect.stringContaining('refused')] })
    expect(await gate.started.gateway.admin.metrics()).toContain('sluicegate_config_in_force 0')
    write('rules.yaml', rules('allow'))
    expect((await reload()).kind).toBe('unchanged')
    expect(await ready()).toMatchObject({ status: 200, warnings: [] })
    expect(await gate.started.gateway.admin.metrics()).toContain('sluicegate_config_in_force 1')
  })
})

describe('what was counted before a reload', () => {
  const changed = () => write('sluicegate.yaml', configuration('limits: { tenants: { globex: { rpm: 7 } } }'))

  it('counts after it: rate', async () => {
    write('sluicegate.yaml', configuration('', 'limits: { rpm: 5 }'))
    await reload()
    for (let calls = 0; calls < 5; calls++) expect((await gate.call('orders.export', september)).ended).toBe('ok')
    write('sluicegate.yaml', configuration('', 'limits: { rpm: 5, concurrency: 4 }'))
    expect((await reload()).kind).toBe('loaded')
    expect((await gate.call('orders.export', september)).ended).toBe('rate_limited')
  })

  it('counts after it: the same failing call', async () => {
    write('sluicegate.yaml', configuration('', `limits: ${limits.replace('5', '500')}, stop_rules: { max_retries: 3 }`))
    await reload()
    const again = () => gate.call('flag.set', { ...flag('loop'), rolloutPct: 900 })
    for (let calls = 0; calls < 4; calls++) expect((await again()).ended).toBe('invalid_arguments')
    write('sluicegate.yaml', configuration('', `limits: ${limits.replace('5', '501')}, stop_rules: { max_retries: 3 }`))
    expect((await reload()).kind).toBe('loaded')
    expect((await again()).ended).toBe('loop_stopped')
  })

  it('counts after it: an idempotency key', async () => {
    const args = flag('once')
    const sid = 'one'
    await gate.call('flag.set', args, { as: { sid } })
    changed()
    await reload()
    expect((await gate.call('flag.set', args, { as: { sid } })).text).toMatch(/^OK \(idempotent\)/)
  })
})

describe('a session that was killed', () => {
  it('stays killed', async () => {
    const as = { sid: 'killed' }
    await gate.call('orders.export', september, { as })
    const session = (await recorded('call.outcome'))[0]?.session as string
    const by = { kind: 'operator', name: 'test' } as const
    await gate.started.gateway.switches.engage({ kind: 'session', target: session, reason: 'test', ttlMs: 60_000 }, by)
    write('rules.yaml', rules('deny'))
    expect((await reload()).kind).toBe('loaded')
    expect((await gate.call('orders.export', september, { as })).ended).toBe('session_killed')
  })
})

describe('a right that is taken away', () => {
  it('is gone from the next call', async () => {
    const as = { sub: 'agent:other', sid: 's' }
    expect((await gate.call('flag.set', flag('one', 'staging'), { as })).ended).toBe('ok')
    write('people.yaml', '- { principal: agent:other, deny: [flags.write:staging] }\n')
    await stands(({ digest }) => digest !== gate.started.options.configDigest)
    expect((await gate.call('flag.set', flag('two', 'staging'), { as })).ended).toBe('scope_missing')
  })
})

describe('a right that is taken away while a connection is open', () => {
  const deny = async () => {
    write('people.yaml', '- { principal: agent:other, deny: [flags.write:staging, orders.read] }\n')
    expect((await reload()).kind).toBe('loaded')
  }
  const listed = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  const names = ({ result }: Message) => result?.tools?.map(({ name }) => name)
  const as = { sub: 'agent:other', sid: 's', grants: ['flags.write:staging', 'orders.read', 'web.fetch'] }

  it('is gone from a session of the 2025 revisions', async () => {
    const token = gate.token(as)
    const opened = await rpc(gate.mcp, token, initialize)
    const session = { 'mcp-session-id': String(opened.headers['mcp-session-id']) }
    const list = async () => names((await rpc(gate.mcp, token, listed, session)).message)
    expect(await list()).toEqual(['orders.export', 'flag.set', 'web.fetchSafe'])
    await deny()
    expect(await list()).toEqual(['web.fetchSafe'])
    const { status } = await rpc(gate.mcp, token, legacyCall('flag.set', flag('late')), session)
    expect(status).toBe(403)
  })

  it('is gone from a stdio connection', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    const token = gate.token(as)
    const shows = () => ({ kind: 'bearer', token, processId: 'p' }) as const
    const { service } = gate.started.gateway
    const listener = await listenStdio({ service, shows, input, output, fault: () => undefined })
    const answers = lines(1 << 20)
    const ask = async (message: object): Promise<Message> => {
      const answered = once(output, 'data') as Promise<[Buffer]>
      input.write(`${JSON.stringify(message)}\n`)
      const [line] = answers.push((await answered)[0])
      return JSON.parse(Buffer.from(line ?? []).toString()) as Message
    }
    await ask(initialize)
    expect(names(await ask(listed))).toEqual(['orders.export', 'flag.set', 'web.fetchSafe'])
    await deny()
    expect(names(await ask(listed))).toEqual(['web.fetchSafe'])
    const { result } = await ask(legacyCall('flag.set', flag('late')))
    expect(result?.structuredContent).toMatchObject({ denied: { code: 'scope_missing' } })
    await listener.close()
  })
})

describe('a service', () => {
  /** Sets any flag, under its own name; or fails, as it is told. */
  async function serviceThatSets(name: string, fails = false) {
    let asked = 0
    const server = createServer((_request, response) => {
      asked += 1
      const set = {
        name,
        env: 'staging',
        rolloutPct: 5,
        previousPct: 0,
        created: true,
        updatedAt: '2025-09-01T00:00:00Z',
      }
      response.writeHead(fails ? 500 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(set))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const close = () => server.close().closeAllConnections()
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked, close }
  }

  const breaker = 'breaker: { failures: 2, openMs: 60000, openMaxMs: 60000 }'
  const named = (url: string, more = '') =>
    configuration(more).replace('builtin\n', `{ flags: { regions: { us-east: '${url}' }, ${breaker} } }\n`)

  /** Another gateway, on a configuration of its own. */
  async function openOn(url: string) {
    const own = mkdtempSync(join(tmpdir(), 'sluicegate-moves-'))
    const place = join(own, 'sluicegate.yaml')
    for (const name of ['rules.yaml', 'people.yaml']) copyFileSync(file(name), join(own, name))
    writeFileSync(place, named(url))
    const other = await openTestGateway({ file: place })
    return {
      set: () => other.call('flag.set', flag('x')),
      async change(text: string) {
        writeFileSync(place, text)
        expect((await other.started.reloads?.reload())?.kind).toBe('loaded')
      },
      async close() {
        await other.close()
        rmSync(own, { recursive: true, force: true })
      },
    }
  }

  it('that failed too often is let rest, also over a reload', async () => {
    const dead = await serviceThatSets('dead', true)
    const { set, change, close } = await openOn(dead.url)
    for (let calls = 0; calls < 2; calls++) expect((await set()).ended).toBe('outcome_unknown')
    await change(named(dead.url, 'limits: { tenants: { globex: { rpm: 7 } } }'))
    const asked = dead.asked()
    expect((await set()).ended).toBe('upstream_unavailable')
    expect(dead.asked()).toBe(asked)
    await close()
    dead.close()
  })

  it('that moves is called where it is now, and what failed where it was counts no more', async () => {
    const [dead, here] = [await serviceThatSets('dead', true), await serviceThatSets('here')]
    const { set, change, close } = await openOn(dead.url)
    for (let calls = 0; calls < 2; calls++) expect((await set()).ended).toBe('outcome_unknown')
    expect((await set()).ended).toBe('upstream_unavailable')
    await change(named(here.url))
    expect((await set()).structured?.['name']).toBe('here')
    await close()
    for (const one of [dead, here]) one.close()
  })
})

describe('the admin listener', () => {
  it('reloads when it is asked to, and shows what is in force', async () => {
    const headers = { authorization: `Bearer ${gate.adminToken}` }
    const ask = async (method: string, path: string) => {
      const { status, text } = await send(`${gate.admin}/api/v1/${path}`, { method, headers })
      return { status, ...(JSON.parse(text) as object) }
    }
    write('rules.yaml', rules('deny'))
    expect(await ask('POST', 'reload')).toMatchObject({ status: 200, kind: 'loaded' })
    expect(await ask('GET', 'config')).toMatchObject({ status: 200, ...state() })
    write('rules.yaml', 'no')
    expect(await ask('POST', 'reload')).toMatchObject({ status: 409, kind: 'refused' })
    expect(await ask('GET', 'config')).toMatchObject({ refused: { problems: [expect.stringContaining('rules.yaml')] } })
    expect((await send(`${gate.admin}/api/v1/reload`, { method: 'POST' })).status).toBe(401)
  })
})
