import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/apps/verify.ts'
import type { Reloaded } from '../../src/apps/reload.ts'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { run } from '../support/child.ts'
import { issue, issuerOf, openTestGateway, recordsIn, type TestGateway } from '../support/gateway.ts'
import { seeded } from '../support/log-mutator.ts'
import { until } from '../support/until.ts'
import { deniedCodeIn, initialize, modernCall, rpc } from '../support/wire.ts'

/* P13. Two configurations that disagree on every call: one in what policy says of it, one in the rights of who makes it. */

const reloads = Number(process.env['SLUICEGATE_RELOADS'] ?? 50)
const seed = Number(process.env['SLUICEGATE_SEED'] ?? Date.now() % 1_000_000)
const workers = 6

type Version = 'open' | 'closed'
type Tool = 'orders.export' | 'flag.set'

/** How each call ends under each version; undefined is an answer. */
const ends: Readonly<Record<Version, Readonly<Record<Tool, string | undefined>>>> = {
  open: { 'orders.export': undefined, 'flag.set': 'scope_missing' },
  closed: { 'orders.export': 'policy_denied', 'flag.set': undefined },
}

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-policy-reload-'))
const file = join(folder, 'sluicegate.yaml')

function configuration(version: Version): string {
  const rules = {
    open: `[{ rule: open, when: { tool: orders.export }, decision: allow }, { rule: flags, when: { tool: flag.set }, decision: allow }]`,
    closed: `[{ rule: closed, when: { tool: orders.export }, decision: deny, reason: Closed. }, { rule: flags, when: { tool: flag.set }, decision: allow }]`,
  }
  return `
mode: development
auth: { tenants: { acme: { home: US } } }
services: builtin
policies: ${rules[version]}
principals:
  - principal: agent:release
    deny: [${version === 'open' ? 'flags.write:staging' : ''}]
    limits: { rpm: 1000000, burst: 1000000, concurrency: 100 }
    stop_rules: { max_retries: 1000000 }
alerts: { sinks: [{ kind: jsonl, path: alerts.jsonl }] }
`
}

/** What an operator may leave behind: nothing of it may ever judge a call. */
const bad: readonly string[] = [
  '',
  'mode: [',
  configuration('open').replace('policies:', 'polices:'),
  configuration('open').replace('decision: allow', 'decision: maybe'),
  configuration('open').replace('when: { tool: orders.export }', "when: { tool: orders.export, cond: 'args.from >' }"),
  configuration('open').replace('deny: [flags', 'deny: [*, flags'),
  configuration('open').replace('mode: development', 'mode: production'),
  configuration('closed').replace('deny: []', 'listen: nowhere'),
  `${configuration('open')}baseline: gone.yaml\n`,
]

interface Made {
  readonly traceId: string
  readonly tool: Tool
  code?: string | undefined
}

let gate: TestGateway
let token: string
let renew: () => void

beforeAll(async () => {
  write(configuration('open'))
  gate = await openTestGateway({ file, data: join(folder, 'data') })
  const issuer = await issuerOf(gate.data)
  renew = () => (token = issue(issuer, { sid: 'one' }))
  renew()
})
afterAll(async () => {
  await gate.close()
  rmSync(folder, { recursive: true, force: true })
})

/** As editors and deployments do it. */
function write(text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

const reloading = () => gate.started.reloads!
const arguments_ = (tool: Tool) =>
  tool === 'flag.set'
    ? { name: 'reloaded', env: 'staging', rolloutPct: 5, idemKey: randomUUID() }
    : { from: '2025-08-01', to: '2025-08-01' }

async function make(tool: Tool): Promise<Made> {
  const traceId = randomBytes(16).toString('hex')
  const meta = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
  const { body, headers } = modernCall(tool, arguments_(tool), meta)
  const { message } = await rpc(gate.mcp, token, body, headers)
  return { traceId, tool, code: deniedCodeIn(message) }
}

describe('while its configuration changes under load', () => {
  it(
    `exactly one version judges a call, in ${reloads} reloads, and a bad file changes nothing`,
    async () => {
      process.stdout.write(`policy-reload: SLUICEGATE_SEED=${seed}\n`)
      const random = seeded(seed)
      const versions = new Map<string, Version>([[reloading().state().policyDigest, 'open']])
      const made: Made[] = []
      const over = new AbortController()
      const load = Array.from({ length: workers }, async (_, worker) => {
        while (!over.signal.aborted) made.push(await make(worker % 2 === 0 ? 'orders.export' : 'flag.set'))
      })

      const refused: Reloaded[] = []
      let next: Version = 'closed'
      for (let count = 0; count < reloads; count++) {
        // A full run outlasts a token.
        if (count % 50 === 0) renew()
        if (random() < 0.2) {
          const before = reloading().state()
          write(bad[Math.floor(random() * bad.length)] as string)
          refused.push(await reloading().reload())
          expect(reloading().state()).toMatchObject({ digest: before.digest, policyDigest: before.policyDigest })
        }
        write(configuration(next))
        await reloading().reload()
        const { policyDigest } = reloading().state()
        expect(versions.get(policyDigest) ?? next).toBe(next)
        versions.set(policyDigest, next)
        // In force is in force: the next call, and whatever tool, is judged by it.
        const tool = random() < 0.5 ? 'orders.export' : 'flag.set'
        expect((await make(tool)).code).toBe(ends[next][tool])
        next = next === 'open' ? 'closed' : 'open'
      }
      over.abort()
      await Promise.all(load)

      expect(versions.size).toBe(2)
      expect(refused.filter(({ kind }) => kind !== 'refused')).toEqual([])
      const records = await recordsIn(gate.data)
      const byTrace = Map.groupBy(records, ({ traceId = '' }) => traceId)
      const judged = made.map((call) => ({ ...call, ...judgedBy(byTrace.get(call.traceId) ?? [], versions) }))
      expect(judged.length).toBeGreaterThanOrEqual(reloads)
      expect(judged.filter(({ by }) => by.length !== 1)).toEqual([])
      expect(judged.filter(({ by, tool, code }) => code !== ends[by[0] as Version][tool])).toEqual([])
      expect(judged.filter(({ code, written }) => code !== written)).toEqual([])
      for (const version of ['open', 'closed'])
        expect(judged.filter(({ by }) => by[0] === version).length).toBeGreaterThan(0)

      const of = (type: string) => records.filter((record) => record.type === type)
      expect(of('config.load')).toHaveLength(1 + reloads)
      expect(of('config.refused')).toHaveLength(refused.length)
      await gate.started.gateway.detector.settled()
      const alerts = readFileSync(join(folder, 'alerts.jsonl'), 'utf8').split('\n')
      expect(alerts.filter((line) => line.includes('"config_refused"'))).toHaveLength(refused.length)
      expect(await verifyEvidence({ path: gate.data })).toMatchObject({ problems: [{ code: 'OPEN_TAIL' }] })
    },
    180_000 + reloads * 10_000,
  )

  it('a changed file is taken over without being asked for', async () => {
    renew()
    write(configuration('open'))
    await reloading().reload()
    const loads = async () => (await recordsIn(gate.data)).filter(({ type }) => type === 'config.load').length
    const before = { loads: await loads(), policy: reloading().state().policyDigest }
    write(configuration('closed'))
    // In force comes after its records: waiting for a record would judge the next call by the old policy.
    await until(() => reloading().state().policyDigest !== before.policy, 'the new policy')
    expect((await make('orders.export')).code).toBe('policy_denied')
    expect(await loads()).toBe(before.loads + 1)
  })
})

describe('SIGHUP', () => {
  it('reloads a gateway with a configuration file, whole or not at all', async () => {
    const own = mkdtempSync(join(tmpdir(), 'sluicegate-sighup-'))
    const place = join(own, 'sluicegate.yaml')
    const ports = 'listen: { port: 0 }\nadmin: { port: 0 }\n'
    writeFileSync(place, configuration('open') + ports)
    await using server = run(['serve', '--config', place, '--data', join(own, 'data')])
    const told = async (what: string) => JSON.parse(await server.line('stderr', (line) => line.includes(`"config":"${what}"`))) as object // prettier-ignore
    await server.line('stderr', (line) => line.includes('"ready":true'))
    writeFileSync(place, configuration('closed') + ports)
    server.process.kill('SIGHUP')
    expect(await told('loaded')).toMatchObject({ level: 'info' })
    writeFileSync(place, 'mode: [')
    server.process.kill('SIGHUP')
    expect(await told('refused')).toMatchObject({ level: 'error', problems: [expect.stringContaining('sluicegate.yaml:1')] }) // prettier-ignore
    server.process.kill('SIGTERM')
    expect(await server.ended()).toBe(0)
    const loads = (await recordsIn(join(own, 'data'))).filter(({ type }) => type.startsWith('config.'))
    expect(loads.map(({ type }) => type)).toEqual(['config.load', 'config.load', 'config.refused'])
    rmSync(own, { recursive: true, force: true })
  })

  it.each([
    ['SIGHUP', 'SIGTERM'],
    ['SIGTERM', 'SIGHUP'],
  ] as const)('and a stop at once end in order, with the evidence whole: %s, %s', async (first, second) => {
    const own = mkdtempSync(join(tmpdir(), 'sluicegate-sighup-'))
    const place = join(own, 'sluicegate.yaml')
    const ports = 'listen: { port: 0 }\nadmin: { port: 0 }\n'
    writeFileSync(place, configuration('open') + ports)
    await using server = run(['serve', '--config', place, '--data', join(own, 'data')])
    await server.line('stderr', (line) => line.includes('"ready":true'))
    writeFileSync(`${place}.new`, configuration('closed') + ports)
    renameSync(`${place}.new`, place)
    server.process.kill(first)
    server.process.kill(second)
    expect(await server.ended()).toBe(0)
    expect(await verifyEvidence({ path: join(own, 'data') })).toMatchObject({ ok: true, problems: [] })
    const types = (await recordsIn(join(own, 'data'))).map(({ type }) => type)
    expect([types.at(0), types.at(-1)]).toEqual(['stream.genesis', 'stream.close'])
    // Taken over before the end, or not begun at all.
    const changes = types.filter((type) => type === 'policy.load' || type.startsWith('config.')).slice(2)
    expect([[], ['policy.load', 'config.load']]).toContainEqual(changes)
    rmSync(own, { recursive: true, force: true })
  })

  it('tells a development server that there is nothing to reload, and does not end it', async () => {
    const own = mkdtempSync(join(tmpdir(), 'sluicegate-sighup-'))
    await using server = run(['serve', '--stdio', '--data', own])
    server.process.stdin.write(`${JSON.stringify(initialize)}\n`)
    await server.line('stdout', (line) => line.includes('"id":0'))
    server.process.kill('SIGHUP')
    expect(await server.line('stderr', (line) => line.includes('"config"'))).toContain('nothing to reload')
    server.process.stdin.end()
    expect(await server.ended()).toBe(0)
    rmSync(own, { recursive: true, force: true })
  })
})

/** Every version that had a word in the call, and the code that its record carries. */
function judgedBy(records: readonly EvidenceRecord[], versions: ReadonlyMap<string, Version>) {
  const digests = new Set(records.flatMap(({ decision }) => (decision ? [decision.bundleDigest] : [])))
  const ending = records.find(({ type }) => type === 'call.decision' || type === 'call.outcome')
  return { by: [...digests].map((digest) => versions.get(digest)), written: ending?.decision?.reasonCode }
}
