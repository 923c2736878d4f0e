import { PassThrough } from 'node:stream'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Settled } from '../../../src/call/handle.ts'
import { listenHttp, type HttpListener } from '../../../src/server/http.ts'
import type { GatewayService } from '../../../src/server/mcp.ts'
import { listenStdio } from '../../../src/server/stdio.ts'
import { systemClock } from '../../../src/adapters/clock-system.ts'
import { aProof, aReceipt, someone } from '../../support/calls.ts'
import { initialize, legacyCall, modern, modernCall, rpc, send, type Message } from '../../support/wire.ts'

const secret = 'boom secret=abc'

/** A gateway that breaks where a test says. */
const broken: { at?: 'call' | 'tools' | 'prove' | 'identify' } = {}
const fault = vi.fn()
const answer = (text: string): Settled => ({
  outcome: { kind: 'ok', answer: { content: [{ type: 'text', text }], isError: false } },
  receipt: aReceipt,
})
const breakAt = (where: typeof broken.at) => {
  if (broken.at === where) throw new Error(secret)
}
const service: GatewayService = {
  prove: async () => (breakAt('prove'), { ok: true, who: someone, proof: aProof }),
  identify: async () => (breakAt('identify'), { ok: true, who: someone, proof: aProof }),
  call: (request) => (
    breakAt('call'),
    Promise.resolve(answer(`${request.transport} ${request.plan.id ?? ''} ${request.traceparent ?? ''}`))
  ),
  stopped: () => undefined,
  tools: () => (breakAt('tools'), []),
}

describe('a bug in the gateway', () => {
  let http: HttpListener
  beforeAll(async () => {
    http = await listenHttp({
      service,
      host: '127.0.0.1',
      port: 0,
      authorizationServers: [],
      scopes: [],
      clock: systemClock(),
      fault,
    })
  })
  afterAll(() => http.close())

  const requests = [
    ['a modern call', modernCall('x', {})],
    ['a modern list', modern('tools/list')],
    ['a legacy call', { body: legacyCall('x', {}), headers: {} }],
    ['a legacy list', { body: { jsonrpc: '2.0', id: 1, method: 'tools/list' }, headers: {} }],
  ] as const

  it.each(requests)('tells nothing of itself over HTTP: %s', async (_what, { body, headers }) => {
    for (const at of ['call', 'tools', 'prove', 'identify'] as const) {
      broken.at = at
      const { text } = await rpc(http.url, 'token', body, headers)
      expect(text).not.toContain('boom')
      expect(text).not.toContain('secret')
    }
    delete broken.at
    expect((await rpc(http.url, 'token', body, headers)).status).toBe(200)
  })

  it('ends a call as internal, and operators are told', async () => {
    broken.at = 'call'
    const { body, headers } = modernCall('x', {})
    fault.mockClear()
    const { message } = await rpc(http.url, 'token', body, headers)
    expect(message.error).toMatchObject({ code: -32603, data: { denied: { code: 'internal' } } })
    expect(fault).toHaveBeenCalledWith(expect.objectContaining({ message: secret }))
    delete broken.at
  })

  it('tells nothing of itself on stdio', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    const listener = await listenStdio({
      service,
      shows: () => ({ kind: 'process', processId: 'p' }),
      input,
      output,
      fault,
    })
    const reply = async (message: object): Promise<Message> => {
      input.write(`${JSON.stringify(message)}\n`)
      const [line] = (await once(output, 'data')) as [Buffer]
      return JSON.parse(line.toString()) as Message
    }
    await reply(initialize)
    broken.at = 'call'
    const called = await reply(legacyCall('x', {}))
    expect(called.error?.code).toBe(-32603)
    expect(JSON.stringify(called)).not.toContain('boom')
    broken.at = 'tools'
    expect(JSON.stringify(await reply({ jsonrpc: '2.0', id: 2, method: 'tools/list' }))).not.toContain('boom')
    delete broken.at
    await listener.close()
  })

  it('drops a plan that is none, and keeps the rest', async () => {
    const of = async (meta: object) => {
      const { body, headers } = modernCall('x', {}, meta)
      return (await rpc(http.url, 'token', body, headers)).message.result?.content?.[0]?.text
    }
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    expect(await of({ traceparent, 'io.sluicegate/plan': { id: 'plan-1', depth: 'deep' } })).toBe(
      `http plan-1 ${traceparent}`,
    )
    expect(await of({ traceparent: 'x'.repeat(500), 'io.sluicegate/plan': [] })).toBe('http  ')
  })

  it('answers a slow or half-open client with nothing it could hold on to', async () => {
    expect((await send(http.url, { method: 'GET', headers: { authorization: 'Bearer token' } })).status).toBeLessThan(
      500,
    )
    expect((await send(http.url, { method: 'PUT', headers: { authorization: 'Bearer token' } })).status).toBeLessThan(
      500,
    )
  })
})
