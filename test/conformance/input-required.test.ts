import { randomUUID } from 'node:crypto'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/ports/json.ts'
import { connect } from '../support/clients.ts'
import { openTestGateway, type Caller, type TestGateway } from '../support/gateway.ts'

const askFirst = {
  rule: 'ask-first',
  when: { tool: 'flag.set' },
  decision: 'require_approval',
  reason: 'a person must look at this one',
}
const principals = [{ principal: 'agent:release', stop_rules: { max_retries: 1_000 } }]
let gate: TestGateway
beforeAll(async () => {
  gate = await openTestGateway({ over: { policies: ['builtin', askFirst], principals } })
})
afterAll(() => gate.close())

const flag = (rolloutPct: number): JsonObject => ({
  name: 'checkout',
  env: 'staging',
  rolloutPct,
  idemKey: randomUUID(),
})
const open = async () => (await gate.started.gateway.grants.list()).filter(({ state }) => state === 'pending')

interface Asked {
  readonly message: string
}

/** A client of 2026-07-28 whose person is asked; `answer` says what they do. */
async function eliciting(answer: (asked: Asked) => Promise<'accept' | 'decline'>) {
  const info = { name: 'person', version: '1.0.0' }
  const client = new Client(info, {
    versionNegotiation: { mode: { pin: '2026-07-28' } },
    capabilities: { elicitation: {} },
  })
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    const action = await answer(params)
    return { action, ...(action === 'accept' && { content: { retry: true } }) }
  })
  const headers = { authorization: `Bearer ${gate.token()}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(gate.mcp), { requestInit: { headers } }))
  return client
}

/** One request as it goes over the wire. */
async function post(args: JsonObject, more: JsonObject = {}, as: Caller = {}, elicitation: JsonObject | null = {}) {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'wire', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': elicitation ? { elicitation } : {},
  }
  const params = { name: 'flag.set', arguments: args, _meta: meta, ...more }
  const response = await fetch(gate.mcp, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${gate.token(as)}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'flag.set',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  })
  const text = await response.text()
  const line = text.split('\n').find((each) => each.startsWith('data: ') && each.includes('"id"'))
  return JSON.parse(line?.slice(6) ?? text) as {
    readonly result?: JsonObject
    readonly error?: { readonly code: number }
  }
}
const stateOf = (reply: Awaited<ReturnType<typeof post>>) => reply.result?.['requestState'] as string
const denial = (reply: Awaited<ReturnType<typeof post>>) =>
  (reply.result?.['structuredContent'] as { denied?: { code: string; field?: string } } | undefined)?.denied

describe('a call that waits for a person, from a client of 2026-07-28', () => {
  it('passes once its person goes on after another has approved', async () => {
    const told: string[] = []
    const client = await eliciting(async ({ message }) => {
      told.push(message)
      const [{ id } = { id: '' }] = await open()
      expect(message).toContain(id)
      await gate.started.gateway.grants.approve(id, { by: 'carla' })
      return 'accept'
    })
    const result = await client.callTool({ name: 'flag.set', arguments: flag(1) })
    expect(result.isError).not.toBe(true)
    expect(told).toHaveLength(1)
    await client.close()
  })

  it('is denied when its person says no, and the person at the client approves nothing', async () => {
    const client = await eliciting(async () => 'decline')
    const result = await client.callTool({ name: 'flag.set', arguments: flag(2) })
    expect(result.structuredContent).toMatchObject({ denied: { code: 'approval_required' } })
    await client.close()
  })

  it('gets an input_required result that the official schema describes, and a denial where nobody can be asked', async () => {
    const { result } = await post(flag(3))
    expect(result).toMatchObject({
      resultType: 'input_required',
      inputRequests: { approval: { method: 'elicitation/create' } },
    })
    expect(denial(await post(flag(3), {}, {}, null))?.code).toBe('approval_required')
    expect(denial(await post(flag(3), {}, {}, { url: {} }))?.code).toBe('approval_required')
    for (const kind of ['v2 modern', 'v2 legacy', 'v1'] as const) {
      await using client = await connect(kind, { kind: 'http', url: gate.mcp, token: gate.token() })
      expect((await client.call('flag.set', flag(3))).structured).toMatchObject({
        denied: { code: 'approval_required' },
      })
    }
  })
})

describe('the state that comes back with a call', () => {
  it('is taken once, for this call and this caller', async () => {
    const args = flag(10)
    const requestState = stateOf(await post(args))
    const [{ id } = { id: '' }] = await open()
    expect(requestState).toContain(id)
    expect(denial(await post({ ...args, rolloutPct: 11 }, { requestState }))).toMatchObject({ field: 'requestState' })
    expect(denial(await post(args, { requestState }, { sub: 'agent:intern' }))).toMatchObject({ field: 'requestState' })
    expect(denial(await post(args, { requestState }, { tenant: 'initech' }))).toMatchObject({ field: 'requestState' })
    expect((await post(args, { requestState })).result?.['resultType']).toBe('input_required')
    expect(denial(await post(args, { requestState }))).toMatchObject({
      code: 'invalid_arguments',
      field: 'requestState',
    })
  })

  it('is refused when a byte of it is changed, wherever', async () => {
    const args = flag(20)
    const requestState = stateOf(await post(args))
    const at = [0, 3, 8, requestState.indexOf('.', 4) + 3, requestState.length - 1]
    const changed = at.map((place) => {
      const other = requestState[place] === '1' ? '2' : '1'
      return requestState.slice(0, place) + other + requestState.slice(place + 1)
    })
    for (const forged of [...changed, '', 'v1', 'x'.repeat(5_000)])
      expect(denial(await post(args, { requestState: forged }))).toMatchObject({ field: 'requestState' })
  })

  it('approves nothing by itself', async () => {
    const args = flag(30)
    const requestState = stateOf(await post(args))
    const inputResponses = { approval: { action: 'accept', content: { retry: true, approved: true } } }
    const again = await post(args, { requestState, inputResponses })
    expect(again.result?.['resultType']).toBe('input_required')
  })
})
