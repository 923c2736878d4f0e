import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { z } from 'zod'
import type { AwakeClock } from '../../src/adapters/clock-awake.ts'
import type { Faults } from '../../src/demo/service/faults.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import { defineTool } from '../../src/tools/define.ts'
import { aService, serviceToken } from './demo-services.ts'
import { allGrants, openTestGateway, type Caller, type Seen, type TestGateway } from './gateway.ts'

/** A gateway whose services, vendor, tickets and own tools go wrong when told, on clocks that move when told. */
export interface AdviceBench extends AsyncDisposable {
  readonly gate: TestGateway
  /** What the services of both regions do wrong. */
  readonly faults: Faults
  /** Makes the test's own tool break, or break its word, until it is mended. */
  readonly broken: { how?: 'throws' | 'unfit' }
  /** Has the vendor hold back its next answer; resolves, once it was asked, with what lets the answer go. */
  holdVendor(): Promise<() => void>
  call(tool: string, args: JsonObject, as?: Caller, more?: object): Promise<Seen>
  approve(ticket: string, principal: string, tool: string): void
  engage(kind: string, target: string): Promise<() => Promise<unknown>>
  wait(ms: number): void
}

/** Principals with ceilings low enough to meet. */
const principals = [
  { principal: 'agent:hasty', limits: { rpm: 60, burst: 1 } },
  { principal: 'agent:busy', limits: { concurrency: 1 } },
  { principal: 'agent:poor', limits: { daily_cost_usd: 0.003 } },
  { principal: 'agent:deep', stop_rules: { max_plan_depth: 2 } },
  { principal: 'agent:stubborn', stop_rules: { max_retries: 0 } },
]

/** The bench leaps through time; a clock that lets no leap count would stand still. */
vi.mock('../../src/adapters/clock-awake.ts', () => ({
  awakeClock: (clock: Clock): AwakeClock => ({ ...clock, close: () => undefined }),
}))

/** Opens it. Date and hrtime stand still until `wait`; timers go on, so that sockets and disks work. */
export async function adviceBench(): Promise<AdviceBench> {
  vi.useFakeTimers({ toFake: ['Date', 'hrtime'], now: Date.UTC(2026, 10, 20, 11) })
  const data = mkdtempSync(join(tmpdir(), 'sluicegate-advice-'))
  const faults: Faults = {}
  const broken: AdviceBench['broken'] = {}
  const [west, east] = await Promise.all([aService('eu-west', { faults }), aService('us-east', { faults })])
  const vendor = await holdingVendor()
  const tickets = join(data, 'tickets.yaml')
  writeFileSync(tickets, '[]\n')
  writeFileSync(join(data, 'service.token'), serviceToken, { mode: 0o600 })
  const service = {
    regions: { 'eu-west': west.url, 'us-east': east.url },
    token: `file:${join(data, 'service.token')}`,
  }
  const gate = await openTestGateway({
    tools: [fragile(broken)],
    over: {
      services: { orders: service, flags: service, crm: service },
      egress: {
        allow: ['vendor.example', 'other.example'],
        hosts: { 'vendor.example': vendor.port, 'other.example': vendor.port },
      },
      policies: ['builtin', { rule: 'allow-fragile', when: { tool: 'test.fragile' }, decision: 'allow' }],
      tickets: { file: tickets },
      principals,
    },
  })
  return {
    gate,
    faults,
    broken,
    holdVendor: vendor.holdNext,
    call: (tool, args, as = {}, more = {}) => gate.call(tool, args, { ...more, as: { grants, ...as } }),
    approve: (ticket, principal, tool) =>
      writeFileSync(
        tickets,
        `- { ticket: ${ticket}, state: approved, principal: '${principal}', tools: [${tool}], expires: '2026-12-01T00:00:00Z' }\n`,
      ),
    async engage(kind, target) {
      const { id } = (await gate.started.gateway.admin.engage({ kind, target, reason: 'a drill' } as never)) as never
      return async () => gate.started.gateway.admin.release(id, 'drill over')
    },
    wait: (ms) => void vi.advanceTimersByTime(ms),
    async [Symbol.asyncDispose]() {
      await gate.close()
      await Promise.all([west.close(), east.close(), vendor.close()])
      vi.useRealTimers()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

const grants = [...allGrants, 'test.use']

async function holdingVendor() {
  let hold: ((letGo: () => void) => void) | undefined
  const server = createServer((request, response) => {
    const answer = () => void response.writeHead(200, { 'content-type': 'text/plain' }).end('fine')
    request.resume()
    if (!hold) return answer()
    hold(answer)
    hold = undefined
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  const holdNext = () => new Promise<() => void>((resolve) => (hold = resolve))
  return { holdNext, port: (server.address() as AddressInfo).port, close }
}

/** A tool of somebody's own, with a bug that an operator can mend. */
function fragile(broken: AdviceBench['broken']) {
  return defineTool({
    name: 'test.fragile',
    title: 'Fragile',
    description: 'Breaks when told.',
    args: z.strictObject({}),
    result: z.strictObject({ fine: z.boolean() }),
    effect: 'read',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    costUsd: 0,
    examples: [],
    visibleWith: ['test.use'],
    scopes: () => ['test.use'],
    async invoke() {
      if (broken.how === 'throws') throw new TypeError('a bug')
      return { structured: broken.how === 'unfit' ? { fine: 'no' } : { fine: true } }
    },
  })
}

export const newKey = (): string => randomUUID()
