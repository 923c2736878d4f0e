import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/apps/verify.ts'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { run } from '../support/child.ts'
import { issue, issuerOf, recordsIn } from '../support/gateway.ts'
import { killableGateways } from '../support/gateway-kills.ts'
import { seeded } from '../support/log-mutator.ts'
import { deniedCodeIn, initialize, legacyCall, modernCall, type Message } from '../support/wire.ts'

/* P11. A stop is no failure: what was accepted is finished, answered, recorded and explained before the process ends. */

const drains = Number(process.env['SLUICEGATE_DRAINS'] ?? 5)
const seed = Number(process.env['SLUICEGATE_SEED'] ?? Date.now() % 1_000_000)
const workers = 6
/** The gateway is to end within ten seconds; a machine that is busy takes longer to start and to end anything. */
const graceMs = 30_000

interface Made {
  readonly traceId: string
  readonly tool: string
  readonly args: object
  /** Absent when there was no answer, or not all of it. */
  got?: Message
  /** The connection ended with this answer. */
  last?: boolean
}

let data: string
let services: Awaited<ReturnType<typeof startServices>>
let token: string
let args: readonly string[]

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'sluicegate-drain-'))
  services = await startServices()
  token = issue(await issuerOf(data), {})
  writeFileSync(join(data, 'sluicegate.yaml'), configuration(services.url))
  args = ['--config', join(data, 'sluicegate.yaml'), '--data', data]
})
afterEach(() => {
  services.server.close()
  services.server.closeAllConnections()
  rmSync(data, { recursive: true, force: true })
})

describe('a gateway that is told to stop', () => {
  it(
    `loses no call that it accepted, in ${drains} stops under load`,
    async () => {
      process.stdout.write(`drain: SLUICEGATE_SEED=${seed}\n`)
      const random = seeded(seed)
      await using gateways = killableGateways(args)
      const made: Made[] = []
      const held: Made[] = []
      for (let round = 0; round < drains; round++) {
        const gateway = gateways.next()
        const mcp = await gateway.open()
        const load = startLoad(mcp, made, random)
        await load.answered(5 + Math.floor(random() * 20))
        // Some calls are certainly under way when the signal comes, and stay so until the listener is gone.
        const waiting = Array.from({ length: 3 }, () => call('flag.set', flag(`held_${randomUUID().slice(0, 8)}`)))
        held.push(...waiting)
        const answers = waiting.map((one) => send(mcp, one))
        await services.holding(3)

        const ended = gateway.stop()
        await closed(mcp)
        services.letGo()
        expect(await Promise.race([ended, after(graceMs, 'late', { ref: false })])).toBe(0)
        await Promise.all([load.ended, ...answers])
      }

      // Whoever waited has its answer, and was told that the connection is no use any more.
      expect(
        held.filter(({ got, last }) => deniedCodeIn(got) !== undefined || got?.result === undefined || !last),
      ).toEqual([])

      const records = await recordsIn(data)
      const endings = records.filter(isEnding)
      const all = new Map([...made, ...held].map((one) => [one.traceId, one]))
      const answered = [...all.values()].filter(({ got }) => got !== undefined)
      expect(answered.length).toBeGreaterThan(drains * 5)
      expect(endings.filter(({ traceId = '' }) => all.get(traceId)?.got === undefined)).toEqual([])
      const byTrace = new Map(endings.map((record) => [record.traceId, record]))
      expect(
        answered.filter(({ traceId, got }) => deniedCodeIn(got) !== byTrace.get(traceId)?.decision?.reasonCode),
      ).toEqual([])
      expect(records.filter(({ type }) => type === 'call.unknown')).toEqual([])
      expect(records.filter(({ type }) => type === 'stream.close')).toHaveLength(drains)

      // What the services were asked to do was answered for.
      const done = new Set(answered.flatMap(({ args: { name } }: { args: { name?: string } }) => name ?? []))
      expect([...services.effects].filter((name) => !done.has(name))).toEqual([])

      const spans = readFileSync(join(data, 'spans.jsonl'), 'utf8')
      expect(answered.filter(({ traceId }) => !spans.includes(traceId))).toEqual([])
      expect(await verifyEvidence({ path: data })).toMatchObject({ exitCode: 0, problems: [] })
    },
    180_000 + drains * 30_000,
  )

  it('ends at once when it is told twice, and leaves a log that verifies', async () => {
    await using gateways = killableGateways(args)
    const gateway = gateways.next()
    const mcp = await gateway.open()
    const stuck = send(mcp, call('flag.set', flag('held_forever')))
    await services.holding(1)
    const first = gateway.stop()
    await closed(mcp)
    void gateway.stop()
    expect(await Promise.race([first, after(graceMs, 'late', { ref: false })])).toBe(130)
    expect((await stuck).got).toBeUndefined()
    // Nobody could sign the end; nothing that was signed is gone.
    expect((await verifyEvidence({ path: data })).problems.map(({ code }) => code)).toEqual(['OPEN_TAIL'])

    const next = gateways.next()
    await next.open()
    expect(await next.stop()).toBe(0)
    expect(await verifyEvidence({ path: data })).toMatchObject({ exitCode: 0, problems: [] })
    expect((await recordsIn(data)).filter(({ type }) => type === 'call.unknown')).toHaveLength(1)
  })

  it('gives up on a call that does not end, and records that nobody knows how it ended', async () => {
    await using gateways = killableGateways(args)
    const gateway = gateways.next()
    const mcp = await gateway.open()
    const stuck = send(mcp, call('flag.set', flag('held_forever')))
    await services.holding(1)
    expect(await Promise.race([gateway.stop(), after(graceMs, 'late', { ref: false })])).toBe(0)
    const { traceId } = await stuck
    const [ending, ...more] = (await recordsIn(data)).filter(isEnding)
    expect(more).toEqual([])
    expect(ending).toMatchObject({ traceId, decision: { reasonCode: 'outcome_unknown' } })
    expect(await verifyEvidence({ path: data })).toMatchObject({ exitCode: 0, problems: [] })
  })

  it('finishes a request that it had begun to read', async () => {
    await using gateways = killableGateways(args)
    const gateway = gateways.next()
    const mcp = await gateway.open()
    const made = call('flag.set', flag('slow_body'))
    const [rest, read] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const sent = send(mcp, made, undefined, { read: read.resolve, rest: rest.promise })
    await read.promise
    const ended = gateway.stop()
    await closed(mcp)
    rest.resolve()
    expect((await sent).got?.result?.structuredContent).toMatchObject({ name: 'slow_body' })
    expect(made.last).toBe(true)
    expect(await ended).toBe(0)
    expect((await recordsIn(data)).filter(isEnding).map(({ traceId }) => traceId)).toEqual([made.traceId])
  })

  it('says that it is not ready while it finishes', async () => {
    await using gateways = killableGateways(args)
    const gateway = gateways.next()
    const mcp = await gateway.open()
    const { admin } = JSON.parse(/^\{"ready":true.*$/m.exec(gateway.stderr())?.[0] ?? '{}') as { admin: string }
    const waiting = send(mcp, call('flag.set', flag('held_ready')))
    await services.holding(1)
    const ended = gateway.stop()
    await closed(mcp)
    const ready = await fetch(`${admin}/readyz`)
    expect([ready.status, await ready.json()]).toMatchObject([503, { ready: false, problems: [/stop/] }])
    services.letGo()
    expect((await waiting).got?.result).toBeDefined()
    expect(await ended).toBe(0)
  })
})

describe('a gateway whose client closes standard input', () => {
  it('answers every call that it has read, and ends in order', async () => {
    await using server = run(['serve', '--stdio', ...args])
    const write = (message: object) => server.process.stdin.write(`${JSON.stringify(message)}\n`)
    write(initialize)
    await server.line('stdout', (line) => line.includes('"id":0'))
    const calls = Array.from({ length: 20 }, (_, id) => ({ id: `c${id}`, held: id % 5 === 0 }))
    for (const { id, held } of calls) write(legacyCall('flag.set', flag(`${held ? 'held' : 'free'}_${id}`, 'dev'), id))
    server.process.stdin.end()
    await services.holding(4)
    await after(200)
    services.letGo()
    expect(await server.ended()).toBe(0)
    const answers = server.stdout().trim().split('\n').map((line) => JSON.parse(line) as Message) // prettier-ignore
    expect(answers.map(({ id }) => id)).toEqual(expect.arrayContaining(calls.map(({ id }) => id)))
    expect(answers.filter(({ error }) => error !== undefined)).toEqual([])
    expect(services.effects.size).toBe(20)
    expect((await recordsIn(data)).filter(isEnding)).toHaveLength(20)
    expect((await recordsIn(data)).at(-1)?.type).toBe('stream.close')
    expect(await verifyEvidence({ path: data })).toMatchObject({ exitCode: 0, problems: [] })
  })

  it('ends as well when it is told to stop and the client stays', async () => {
    await using server = run(['serve', '--stdio', ...args])
    server.process.stdin.write(`${JSON.stringify(initialize)}\n`)
    await server.line('stdout', (line) => line.includes('"id":0'))
    server.process.stdin.write(`${JSON.stringify(legacyCall('flag.set', flag('held_stdio', 'dev'), 'held'))}\n`)
    await services.holding(1)
    server.process.kill('SIGTERM')
    await after(200)
    services.letGo()
    expect(await Promise.race([server.ended(), after(graceMs, 'late', { ref: false })])).toBe(0)
    expect(server.stdout()).toContain('"id":"held"')
  })
})

const isEnding = ({ type }: EvidenceRecord) => type === 'call.decision' || type === 'call.outcome'
const flag = (name: string, env = 'staging') => ({ name, env, rolloutPct: 5, idemKey: randomUUID() })
const call = (tool: string, given: object): Made => ({ traceId: randomBytes(16).toString('hex'), tool, args: given })

/** Agents that call until they are not served any more, each over a connection that it keeps. */
function startLoad(mcp: string, made: Made[], random: () => number) {
  let count = 0
  const work = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let served = true; served;) {
      const one = random() < 0.7 ? call('flag.set', flag(`f_${randomUUID()}`)) : call('flag.set', flag('no', 'nowhere'))
      made.push(one)
      served = (await send(mcp, one, agent)).got !== undefined
      count += 1
    }
    agent.destroy()
  }
  const ended = Promise.all(Array.from({ length: workers }, work))
  const answered = async (many: number) => {
    for (;;) {
      if (count >= many) return
      await after(2)
    }
  }
  return { answered, ended }
}

/** A body in two halves: the second one when `rest` resolves. `read` is called once the gateway has read the headers. */
interface Halves {
  readonly read: () => void
  readonly rest: Promise<void>
}

/** Sends once and repeats nothing. */
function send(mcp: string, made: Made, agent?: Agent, halves?: Halves): Promise<Made> {
  const { body, headers } = modernCall(made.tool, made.args, { traceparent: `00-${made.traceId}-00f067aa0ba902b7-01` })
  const all = {
    ...headers,
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(halves && { expect: '100-continue' }),
  }
  return new Promise((resolve) => {
    const sent = request(mcp, { method: 'POST', agent: agent ?? false, headers: all }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', () => undefined)
      response.on('close', () => {
        const text = Buffer.concat(pieces).toString()
        if (response.complete && text !== '') {
          made.got = JSON.parse(/^data: (\{.*)$/m.exec(text)?.[1] ?? text) as Message
          made.last = response.headers.connection === 'close'
        }
        resolve(made)
      })
    })
    sent.on('error', () => resolve(made))
    const text = JSON.stringify(body)
    if (!halves) return void sent.end(text)
    sent.on('continue', halves.read)
    sent.write(text.slice(0, 40))
    void halves.rest.then(() => sent.end(text.slice(40)))
  })
}

/** Resolves when nothing listens there any more. */
async function closed(mcp: string): Promise<void> {
  const { port, hostname } = new URL(mcp)
  for (;;) {
    const socket = connect(Number(port), hostname)
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (!open) return
    await after(5)
  }
}

/** Flags that outlive the gateway. One named `held_…` is set at once and answered when the test lets go. */
async function startServices() {
  const effects = new Set<string>()
  const held: (() => void)[] = []
  const server: Server = createServer((asked, response) => {
    asked.resume().on('end', () => {
      const [, name = '', env] = /^\/flags\/([^/]+)\/([^/]+)$/.exec(asked.url ?? '') ?? []
      effects.add(name)
      if (name.startsWith('held_')) held.push(() => answer(response, name, env))
      else answer(response, name, env)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    server,
    effects,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async holding(many: number) {
      while (held.length < many) await after(5)
    },
    letGo: () => held.splice(0).forEach((answerIt) => answerIt()),
  }
}

function answer(response: ServerResponse, name: string, env: string | undefined): void {
  const set = { name, env, rolloutPct: 5, previousPct: 0, created: true, updatedAt: '2025-09-01T00:00:00Z' }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(set))
}

function configuration(url: string): string {
  const service = `{ regions: { us-east: '${url}', eu-west: '${url}' } }`
  return `
mode: development
listen: { port: 0 }
admin: { port: 0 }
auth:
  tenants: { acme: { home: US }, local: { home: US } }
  regions: { US: us-east, EU: eu-west }
  stdio: { grants: ['flags.write:dev'] }
services: { orders: ${service}, flags: ${service}, crm: ${service} }
principals:
  - { principal: 'agent:release', limits: { rpm: 1000000, burst: 1000000 }, stop_rules: { max_retries: 1000000 } }
alerts: { sinks: [] }
`
}
