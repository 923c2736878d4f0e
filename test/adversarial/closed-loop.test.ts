import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openRules } from '../../src/detection/check.ts'
import type { Started } from '../../src/demo/development.ts'
import { newVendor, plantedNote } from '../../src/demo/scenario.ts'
import { orderIdOf } from '../../src/demo/service/tenants.ts'
import { openTestGateway, type Caller, type TestGateway } from '../support/gateway.ts'

/* An order's note gives an instruction, the agent obeys, and the call that would carry it out is the one that is stopped. */

/** What the demo opened, the moment it did. */
const opened: Started[] = []
vi.mock('../../src/demo/development.ts', async (original) => {
  const real = await original<typeof import('../../src/demo/development.ts')>()
  const start: typeof real.start = async (asked) => {
    const started = await real.start(asked)
    if (asked.data.includes('closed-loop-demo')) opened.push(started)
    return started
  }
  return { ...real, start }
})

let gate: TestGateway
let vendor: Server
const reached: { readonly method: string; readonly url: string }[] = []

beforeAll(async () => {
  vendor = createServer((request, response) => {
    reached.push({ method: request.method ?? '', url: request.url ?? '' })
    request.resume().on('end', () => response.end('received'))
  })
  await once(vendor.listen(0, '127.0.0.1'), 'listening')
  const port = (vendor.address() as AddressInfo).port
  gate = await openTestGateway({
    over: { egress: { allow: [newVendor], hosts: { [newVendor]: port } } },
    notes: [{ tenant: 'acme', orderId: orderIdOf('acme', 'us-east', '2025-09-03', 1), text: plantedNote }],
  })
})
afterAll(async () => {
  await gate.close()
  vendor.close()
})

const support: Caller = { sub: 'agent:support', sid: 'desk-1', grants: ['orders.read', 'web.fetch', 'web.post'] }
const readDay = (day: string, as: Caller) => gate.call('orders.export', { from: day, to: day }, { as })
const post = (as: Caller, body: string) => gate.call('web.fetchSafe', { url: `http://${newVendor}/in`, body }, { as })

describe('the closed loop', () => {
  it('stops the very call that obeys a planted instruction, before anything leaves', async () => {
    expect((await readDay('2025-09-03', support)).ended).toBe('ok')
    const before = reached.length
    const saw = await post(support, 'customer;total\n')
    expect(saw.ended).toBe('session_killed')
    expect(reached.slice(before)).toEqual([])
    expect(saw.wire).not.toMatch(/tainted|rule|detector/)
  })

  it('writes down the order, who gave it, why, and that it was obeyed', async () => {
    await gate.started.gateway.detector.settled()
    const records = await gate.records()
    const session = records.findLast(({ actor }) => actor?.id === 'agent:support')?.session
    const [intent] = records.filter(({ type, session: of }) => type === 'call.intent' && of === session)
    const alert = records.find(({ type, ext }) => type === 'alert' && ext?.['rule'] === 'tainted_sink')
    const apply = records.find(({ type, ext }) => type === 'kill.apply' && ext?.['target'] === session)
    const enforced = records.find(({ type, ext }) => type === 'switch.enforced' && ext?.['target'] === session)
    expect(alert).toMatchObject({ tenant: 'acme', session, ext: { severity: 'critical' } })
    expect(apply?.ext).toMatchObject({ kind: 'session', issuedBy: { kind: 'detector', rule: 'tainted_sink' } })
    expect(enforced?.ext).toMatchObject({ switchId: apply?.ext?.['id'], code: 'session_killed' })
    const outcome = records.find(({ ext }) => ext?.['intentSeq'] === intent?.seq)
    expect(outcome).toMatchObject({ type: 'call.outcome', decision: { reasonCode: 'session_killed' } })
    expect([intent?.seq, enforced?.seq, outcome?.seq].map(Number)).toEqual(
      [intent?.seq, enforced?.seq, outcome?.seq].map(Number).sort((a, b) => a - b),
    )
  })

  it('leaves the agent without any further call, and others alone', async () => {
    expect((await readDay('2025-09-04', support)).ended).toBe('session_killed')
    expect((await gate.call('flag.nothing', {}, { as: support })).ended).toBe('session_killed')
    expect((await readDay('2025-09-04', { ...support, sub: 'agent:other' })).ended).toBe('ok')
    expect((await readDay('2025-09-04', { ...support, sid: 'desk-2' })).ended).toBe('ok')
  })

  it('lets the same post through for an agent who read nothing of the kind', async () => {
    const honest: Caller = { ...support, sub: 'agent:honest', sid: 'desk-3' }
    expect((await readDay('2025-09-10', honest)).ended).toBe('ok')
    expect((await post(honest, 'good morning')).ended).toBe('ok')
    expect(reached.at(-1)).toEqual({ method: 'POST', url: '/in' })
  })

  it('arrests a loop', async () => {
    const poller: Caller = { sub: 'agent:poller', sid: 'loop', grants: ['orders.read'] }
    const ends: string[] = []
    for (let call = 0; call < 12 && ends.at(-1) !== 'session_killed'; call++)
      ends.push((await readDay('2025-08-01', poller)).ended)
    expect(ends.at(-1)).toBe('session_killed')
    expect(new Set(ends.slice(0, -1))).toEqual(new Set(['ok']))
    const apply = (await gate.records()).findLast(({ type }) => type === 'kill.apply')
    expect(apply?.ext).toMatchObject({ issuedBy: { rule: 'loop_arrest' } })
  })
})

describe('the demo', () => {
  const data = mkdtempSync(join(tmpdir(), 'closed-loop-demo-'))
  afterAll(() => rmSync(data, { recursive: true, force: true }))

  it('runs the shipped detections unchanged, two of them enforced and the rest watching', async () => {
    const { runDemo } = await import('../../src/demo/run.ts')
    class Enough extends Error {}
    const progress = () => {
      if (opened.length > 0) throw new Enough()
    }
    await expect(runDemo({ data, progress })).rejects.toThrow(Enough)
    const [{ options }] = opened as [Started]
    const directory = resolve(import.meta.dirname, '../../detections')
    const files = readdirSync(directory)
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => ({ file: join(directory, name), text: readFileSync(join(directory, name), 'utf8') }))
    const shipped = openRules(files, { bulk_vendors: [], core_vendors: [] })
    expect(options.detector.rules.digest).toBe(shipped.set?.digest)
    expect(options.detector.stages).toEqual({
      default: 'shadow',
      rules: { tainted_sink: 'enforce', loop_arrest: 'enforce' },
    })
    expect(gate.started.options.detector.stages).toEqual(options.detector.stages)
    expect(options.egress.allow).toContain(newVendor)
    expect(options.egress.bulk).not.toContain(newVendor)

    const other = files.map(({ file, text }) => ({ file, text: text.replace('|gte: 10', '|gte: 11') }))
    expect(openRules(other, { bulk_vendors: [], core_vendors: [] }).set?.digest).not.toBe(shipped.set?.digest)
  })
})
