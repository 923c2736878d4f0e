import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/apps/verify.ts'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { flagService, killableConfiguration, type FlagService } from '../support/flag-service.ts'
import { issue, issuerOf, recordsIn } from '../support/gateway.ts'
import { killableGateways } from '../support/gateway-kills.ts'
import { seeded } from '../support/log-mutator.ts'
import { deniedCodeIn, modernCall, type Message } from '../support/wire.ts'

const kills = Number(process.env['SLUICEGATE_KILLS'] ?? 50)
const seed = Number(process.env['SLUICEGATE_SEED'] ?? Date.now() % 1_000_000)
const workers = 6

interface Call {
  readonly traceId: string
  readonly tool: string
  readonly args: { readonly idemKey?: string; readonly name?: string }
  /** What the agent got; absent when the gateway died first. */
  got?: Message | undefined
}

const data = mkdtempSync(join(tmpdir(), 'sluicegate-kill-'))
const agent = new Agent({ keepAlive: true })
let services: FlagService
let token: string

beforeAll(async () => {
  services = await flagService()
  token = issue(await issuerOf(data), {})
  writeFileSync(join(data, 'sluicegate.yaml'), killableConfiguration(services.url))
})
afterAll(() => {
  services.close()
  agent.destroy()
  rmSync(data, { recursive: true, force: true })
})

it(
  `killed with SIGKILL ${kills} times under load, the gateway loses no call it answered and does no write twice`,
  async () => {
    process.stdout.write(`gateway-kill: SLUICEGATE_SEED=${seed}\n`)
    const random = seeded(seed)
    await using gateways = killableGateways(['--config', join(data, 'sluicegate.yaml'), '--data', data])
    const calls: Call[] = []
    for (let round = 0; round < kills; round++) {
      const gateway = gateways.next()
      const load = startLoad(await gateway.open(), calls, random)
      // A slow machine gets its share of answers too; then death comes in the middle of anything.
      await load.answered(1 + Math.floor(random() * 12))
      await after(random() * 20)
      await gateway.kill()
      await load.ended
    }

    const last = gateways.next()
    const mcp = await last.open()
    const cut = calls.filter(
      ({ got, tool, args }) => got === undefined && tool === 'flag.set' && args.name !== 'refused',
    )
    const done = new Map(services.effects)
    for (const call of cut) call.got = await send(mcp, { ...call, traceId: randomBytes(16).toString('hex') })
    expect(await last.stop()).toBe(0)

    const answered = calls.filter((call) => call.got !== undefined && !cut.includes(call))
    const records = await recordsIn(data)
    const endings = new Map(records.filter(isEnding).map((record) => [record.traceId, record]))
    expect(answered.length).toBeGreaterThanOrEqual(kills)
    expect(answered.filter(({ traceId }) => !endings.has(traceId))).toEqual([])
    expect(
      answered.filter((call) => deniedCodeIn(call.got) !== endings.get(call.traceId)?.decision?.reasonCode),
    ).toEqual([])

    const of = (...types: string[]) => records.filter(({ type }) => types.includes(type))
    const ended = of('call.outcome', 'call.unknown').filter(
      ({ type, ext }) => type === 'call.unknown' || ext?.['intentSeq'],
    )
    expect(requests(ended)).toEqual(requests(of('call.intent')))

    // Each write that was cut off was not done and is done now, was done and kept, or nobody knows.
    expect(cut.length).toBeGreaterThan(0)
    for (const { got, args } of cut) {
      const before = done.get(args.name ?? '') ?? 0
      const kept = got?.result?.content?.[0]?.text?.startsWith('OK (idempotent)') === true
      if (deniedCodeIn(got) === undefined) expect(before).toBe(kept ? 1 : 0)
      else expect(deniedCodeIn(got)).toBe('outcome_unknown')
    }
    expect([...services.effects.values()].filter((times) => times !== 1)).toEqual([])

    expect(await verifyEvidence({ path: data })).toMatchObject({ exitCode: 0, problems: [] })
  },
  180_000 + kills * 10_000,
)

it('a write that was cut off while the service worked on it answers outcome_unknown, to the same key and to no other', async () => {
  await using gateways = killableGateways(['--config', join(data, 'sluicegate.yaml'), '--data', data])
  const first = gateways.next()
  const held: Call = {
    traceId: randomBytes(16).toString('hex'),
    tool: 'flag.set',
    args: flag(`held_${randomUUID().slice(0, 8)}`),
  }
  const lost = send(await first.open(), held)
  while (!services.effects.has(held.args.name ?? '')) await after(5)
  await first.kill()
  expect(await lost).toBeUndefined()

  const second = gateways.next()
  const mcp = await second.open()
  for (let attempt = 0; attempt < 2; attempt++) {
    const got = await send(mcp, { ...held, traceId: randomBytes(16).toString('hex') })
    expect(deniedCodeIn(got)).toBe('outcome_unknown')
  }
  const fresh = await send(mcp, {
    ...held,
    traceId: randomBytes(16).toString('hex'),
    args: flag(held.args.name?.replace('held', 'free') ?? ''),
  })
  await second.kill()
  expect(deniedCodeIn(fresh)).toBeUndefined()
  expect(services.effects.get(held.args.name ?? '')).toBe(1)
  const unknown = (await recordsIn(data)).filter(
    ({ type, traceId }) => type === 'call.unknown' && traceId === held.traceId,
  )
  expect(unknown).toHaveLength(1)
})

const requests = (records: readonly EvidenceRecord[]) => records.map(({ req = '' }) => req).toSorted()
const isEnding = ({ type }: EvidenceRecord) => type === 'call.decision' || type === 'call.outcome'

const flag = (name: string) => ({ name, env: 'dev', rolloutPct: 5, idemKey: randomUUID() })

/** Agents that call until the gateway is gone: writes, reads, and calls that are refused. */
function startLoad(mcp: string, calls: Call[], random: () => number) {
  let count = 0
  const work = async () => {
    for (;;) {
      const call: Call = { traceId: randomBytes(16).toString('hex'), ...one(random()) }
      calls.push(call)
      call.got = await send(mcp, call)
      if (call.got === undefined) return
      count += 1
    }
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

function one(dice: number): Pick<Call, 'tool' | 'args'> {
  if (dice < 0.6) return { tool: 'flag.set', args: flag(`f_${randomUUID()}`) }
  if (dice < 0.8) return { tool: 'flag.set', args: { ...flag('refused'), env: 'prod', rolloutPct: 50 } as object }
  const day = `2025-08-${String(1 + Math.floor(dice * 28)).padStart(2, '0')}`
  return { tool: 'orders.export', args: { from: day, to: day } as object }
}

/** The answer; undefined when the gateway went away instead. Nothing is sent twice. */
function send(mcp: string, { tool, args, traceId }: Call): Promise<Message | undefined> {
  const { body, headers } = modernCall(tool, args, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` })
  const all = {
    ...headers,
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  return new Promise((resolve) => {
    const sent = request(mcp, { method: 'POST', agent, headers: all }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('close', () =>
        resolve(response.complete ? (JSON.parse(Buffer.concat(pieces).toString()) as Message) : undefined),
      )
      response.on('error', () => undefined)
    })
    sent.on('error', () => resolve(undefined))
    sent.end(JSON.stringify(body))
  })
}
