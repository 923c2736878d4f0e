import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { stringify } from 'yaml'
import { afterAll, describe, expect, it } from 'vitest'
import { ticketsFile } from '../../src/adapters/tickets-file.ts'
import { ticketsHttp, ticketsKeptMs } from '../../src/adapters/tickets-http.ts'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { startService } from '../../src/demo/service/start.ts'
import { tenants } from '../../src/demo/service/tenants.ts'
import type { TicketRegister } from '../../src/ports/tickets.ts'
import { testClock } from '../support/clock.ts'
import { rewriteUnseen, writeDated } from '../support/file-times.ts'
import { openTestGateway } from '../support/gateway.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluicegate-tickets-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Entry {
  readonly ticket: string
  readonly state: string
  readonly principal: string
  readonly tenant?: string
  readonly tools: readonly string[]
  readonly expires: string
}

/** A register over some source, and ways to change what the source says. */
interface Opened extends AsyncDisposable {
  readonly register: TicketRegister
  /** Resolves when a register that is asked must know it. */
  say(entries: readonly Entry[]): Promise<void>
  /** The source answers with something that is no register. */
  garble(): Promise<void>
  gone(): Promise<void>
}

let files = 0
function written(text: string): string {
  const file = path.join(folder, `tickets-${(files += 1)}.yaml`)
  writeFileSync(file, text)
  return file
}

const adapters: Readonly<Record<string, (entries: readonly Entry[]) => Promise<Opened>>> = {
  async file(entries) {
    const file = written(stringify(entries))
    return {
      register: await ticketsFile({ file }),
      say: async (next) => renameSync(written(stringify(next)), file),
      garble: async () => writeFileSync(file, '- ['),
      gone: async () => rmSync(file),
      [Symbol.asyncDispose]: async () => undefined,
    }
  },
  async http(entries) {
    const clock = testClock()
    const source = await serving(JSON.stringify({ tickets: entries }))
    const later = async () => clock.advance(ticketsKeptMs)
    return {
      register: ticketsHttp({ url: source.url, token: { current: () => 'register-token' }, clock }),
      say: async (next) => (source.answer(200, JSON.stringify({ tickets: next })), later()),
      garble: async () => (source.answer(200, '{"tickets": ['), later()),
      gone: async () => (await source[Symbol.asyncDispose](), later()),
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    }
  },
}

/** A server that says one thing to everybody. */
async function serving(first: string | RequestListener) {
  const said: { status: number; text: string; headers: Record<string, string> } = { status: 200, text: '', headers: {} }
  const seen: { url: string; headers: Record<string, unknown> }[] = []
  if (typeof first === 'string') said.text = first
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers })
    if (typeof first !== 'string') return first(request, response)
    response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers }).end(said.text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  let closed: Promise<void> | undefined
  const close = async () => {
    const ended = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await ended
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/tickets`,
    seen,
    answer(status: number, text: string, headers: Record<string, string> = {}) {
      Object.assign(said, { status, text, headers })
    },
    [Symbol.asyncDispose]: () => (closed ??= close()),
  }
}

const entry = (more: Partial<Entry> = {}): Entry => ({
  ticket: 'CHG-1',
  state: 'approved',
  principal: 'agent:copilot',
  tools: ['flag.set'],
  expires: '2026-12-01T00:00:00Z',
  ...more,
})
const who = { tenant: 'acme', subject: 'agent:copilot' }
const now = Date.UTC(2026, 10, 20)

describe.each(Object.entries(adapters))('TicketRegister: %s', (_name, open) => {
  it('knows a ticket that is approved, unexpired, and for this principal and tool', async () => {
    await using source = await open([entry()])
    expect(await source.register.find('CHG-1', who, 'flag.set', now)).toBe('CHG-1')
    expect(await source.register.approvedFor(who, now)).toEqual(['CHG-1'])
    expect(source.register.problem()).toBeUndefined()
  })

  it.each([
    ['another ticket', 'CHG-2', who, 'flag.set', now],
    ['another spelling', 'chg-1', who, 'flag.set', now],
    ['another principal', 'CHG-1', { ...who, subject: 'agent:other' }, 'flag.set', now],
    ['another tool', 'CHG-1', who, 'crm.bulk_update', now],
    ['a time after its expiry', 'CHG-1', who, 'flag.set', Date.UTC(2026, 11, 1)],
    ['a name from Object.prototype', 'constructor', who, 'flag.set', now],
  ])('does not know %s', async (_what, ticket, principal, tool, atMs) => {
    await using source = await open([entry()])
    expect(await source.register.find(ticket, principal, tool, atMs)).toBeUndefined()
  })

  it.each(['pending', 'rejected', 'closed'])('does not count one that is %s', async (state) => {
    await using source = await open([entry({ state })])
    expect(await source.register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
    expect(await source.register.approvedFor(who, now)).toEqual([])
  })

  it('counts one that names a tenant for that tenant only', async () => {
    await using source = await open([entry({ tenant: 'globex' })])
    expect(await source.register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
    expect(await source.register.find('CHG-1', { ...who, tenant: 'globex' }, 'flag.set', now)).toBe('CHG-1')
  })

  it('forgets one that is withdrawn', async () => {
    await using source = await open([entry()])
    await source.register.find('CHG-1', who, 'flag.set', now)
    await source.say([entry({ state: 'closed' })])
    expect(await source.register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
  })

  it('counts no ticket while its source is garbled or gone, says why, and recovers from the first', async () => {
    await using source = await open([entry()])
    await source.garble()
    expect(await source.register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
    expect(source.register.problem()).toMatch(/tickets|register/)
    await source.say([entry()])
    expect(await source.register.find('CHG-1', who, 'flag.set', now)).toBe('CHG-1')
    expect(source.register.problem()).toBeUndefined()
    await source.gone()
    expect(await source.register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
    expect(source.register.problem()).toMatch(/cannot be read|could not be reached/)
  })

  it.each([
    ['an unknown field', { approver: 'me' }, /approver/],
    ['a wildcard', { tools: ['*'] }, /0.tools.0: is a wildcard/],
    ['an expiry without a zone', { expires: '2026-12-01T00:00:00' }, /0.expires/],
  ])('takes nothing of a list with %s, and says what', async (_what, more, message) => {
    await using source = await open([entry()])
    await source.say([{ ...entry(), ...more }])
    expect(await source.register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
    expect(source.register.problem()).toMatch(message)
  })
})

describe('the register in a file', () => {
  it.each([
    ['an unknown field', stringify([{ ...entry(), approver: 'me' }]), /approver/],
    ['no list', 'ticket: CHG-1\n', /the list/],
  ])('is refused at the start for %s', async (_what, text, message) => {
    await expect(ticketsFile({ file: written(text) })).rejects.toThrow(message)
  })

  it('forgets a ticket that is withdrawn in place, though its file keeps its size and time', async () => {
    const file = path.join(folder, 'kept-times.yaml')
    writeDated(file, stringify([entry()]))
    const register = await ticketsFile({ file })
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBe('CHG-1')
    rewriteUnseen(file, stringify([entry({ state: 'rejected' })]))
    expect(await register.find('CHG-1', who, 'flag.set', now)).toBeUndefined()
  })

  it('is refused at the start when it is not there', async () => {
    await expect(ticketsFile({ file: path.join(folder, 'none.yaml') })).rejects.toThrow(/cannot be read/)
  })
})

describe('the register behind HTTP', () => {
  const over = async (first: string | RequestListener) => {
    const clock = testClock()
    const source = await serving(first)
    const register = ticketsHttp({ url: source.url, token: { current: () => 'register-token' }, clock })
    const asks = () => register.find('CHG-1', who, 'flag.set', now)
    return { clock, source, register, asks, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() }
  }
  const good = JSON.stringify({ tickets: [entry()] })

  it('is asked with its own credential and the tenant, for one principal, once while the answer serves', async () => {
    await using bench = await over(good)
    await Promise.all(Array.from({ length: 50 }, bench.asks))
    expect(bench.source.seen).toHaveLength(1)
    expect(bench.source.seen[0]).toMatchObject({
      url: '/tickets?principal=agent%3Acopilot',
      headers: { authorization: 'Bearer register-token', 'x-tenant': 'acme' },
    })
    bench.clock.advance(ticketsKeptMs - 1)
    await bench.asks()
    expect(bench.source.seen).toHaveLength(1)
    bench.clock.advance(1)
    await bench.asks()
    expect(bench.source.seen).toHaveLength(2)
  })

  it('keeps what it heard of tenants and principals apart', async () => {
    await using bench = await over(good)
    await bench.asks()
    await bench.register.find('CHG-1', { ...who, tenant: 'globex' }, 'flag.set', now)
    await bench.register.find('CHG-1', { ...who, subject: 'agent:other' }, 'flag.set', now)
    expect(bench.source.seen.map(({ headers }) => headers['x-tenant'])).toEqual(['acme', 'globex', 'acme'])
  })

  it.each([
    ['an error', 500, good, {}, /answered 500/],
    ['a redirect', 302, good, { location: 'http://127.0.0.1:1/' }, /answered 302/],
    ['no permission', 401, good, {}, /answered 401/],
    ['a list without its name', 200, JSON.stringify([entry()]), {}, /did not answer with/],
    ['a name twice', 200, `{"tickets":[],"tickets":[${JSON.stringify(entry())}]}`, {}, /strict JSON/],
    ['more than 256 KiB', 200, `{"tickets":[],"x":"${'x'.repeat(300_000)}"}`, {}, /more than 262144 bytes/],
  ])('counts no ticket when it answers with %s', async (_what, status, text, headers, problem) => {
    await using bench = await over(good)
    bench.source.answer(status, text, headers)
    expect(await bench.asks()).toBeUndefined()
    expect(bench.register.problem()).toMatch(problem)
  })

  it('counts no ticket when it does not answer in time, and does not wait for it again at once', async () => {
    await using bench = await over(() => undefined)
    expect(await bench.asks()).toBeUndefined()
    expect(await bench.asks()).toBeUndefined()
    expect(bench.register.problem()).toMatch(/did not answer within 2 s/)
    expect(bench.source.seen).toHaveLength(1)
  })

  it('lets a call through with a ticket of the bundled register, and no more once that is withdrawn', async () => {
    const clock = systemClock()
    const token = 'a-token-of-the-register'
    const filed = {
      ...entry({ principal: 'agent:release' }),
      tenant: 'acme',
      state: 'approved',
      expires: '2099-01-01T00:00:00Z',
    } as const
    const service = await startService({
      region: 'us-east',
      seed: 's',
      clock,
      tokens: { [token]: tenants },
      tickets: [filed],
    })
    const secret = written(token)
    const tickets = { url: `${service.url}/tickets`, token: `file:${secret}` }
    await using gate = await openTestGateway({ over: { tickets } })
    const set = (idemKey: string) =>
      gate.call('flag.set', { name: 'checkout', env: 'prod', rolloutPct: 50, ticket: 'CHG-1', idemKey })
    expect((await set('5cd87f4a-2b4c-4a6e-9f0f-5d6e1e5b1b01')).ended).toBe('ok')
    service.file({ ...filed, state: 'closed' })
    await new Promise((resolve) => setTimeout(resolve, ticketsKeptMs + 100))
    expect((await set('5cd87f4a-2b4c-4a6e-9f0f-5d6e1e5b1b02')).ended).toBe('ticket_required')
    await service.close()
    await new Promise((resolve) => setTimeout(resolve, ticketsKeptMs + 100))
    expect((await set('5cd87f4a-2b4c-4a6e-9f0f-5d6e1e5b1b03')).ended).toBe('ticket_required')
    const ready = await fetch(`${gate.admin}/readyz`)
    const warnings = ['The ticket register could not be read when last asked: no ticket counts until it can.']
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, problems: [], warnings }])
    expect(gate.reported).toContainEqual(
      expect.objectContaining({ fault: expect.stringContaining('The ticket register http') as string }),
    )
    expect(await gate.started.gateway.admin.metrics()).toContain('sluicegate_readiness{part="tickets"} 1')
  })
})
