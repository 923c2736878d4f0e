import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CallRequest } from '../../../src/call/receive.ts'
import type { GatewayService } from '../../../src/server/mcp.ts'
import { listenStdio, type StdioListener } from '../../../src/server/stdio.ts'
import { aProof, aReceipt, someone } from '../../support/calls.ts'
import { until } from '../../support/until.ts'
import { initialize, legacyCall, modern, modernCall, type Message } from '../../support/wire.ts'

let called: CallRequest[]
let input: PassThrough
let output: PassThrough
let faults: unknown[]
let listener: StdioListener

const service: GatewayService = {
  prove: async () => ({ ok: true, who: someone, proof: aProof }),
  identify: async () => ({ ok: true, who: someone, proof: aProof }),
  call: async (request) => {
    called.push(request)
    const answer = { content: [{ type: 'text' as const, text: 'done' }], isError: false }
    return { outcome: { kind: 'ok', answer }, receipt: aReceipt }
  },
  stopped: () => undefined,
  tools: () => [],
}

beforeEach(async () => {
  ;[called, faults, input, output] = [[], [], new PassThrough(), new PassThrough()]
  const shows = () => ({ kind: 'process', processId: 'p' }) as const
  listener = await listenStdio({ service, shows, input, output, fault: (error) => void faults.push(error) })
})
afterEach(() => listener.close())

/** What is answered to the bytes: so many answers, and whatever else has come when a message sent behind them has its own. */
async function answersTo(bytes: string | Buffer, count = 1): Promise<readonly Message[]> {
  const answered = Promise.withResolvers<readonly Message[]>()
  let text = ''
  const read = (piece: Buffer) => {
    text += piece.toString()
    const lines = text.split('\n').filter((line) => line !== '')
    if (!text.endsWith('\n') || !text.includes('"last"') || lines.length <= count) return
    answered.resolve(lines.map((line) => JSON.parse(line) as Message).filter(({ id }) => id !== 'last'))
  }
  output.on('data', read)
  input.write(bytes)
  input.write(`\n${JSON.stringify({ ...modern('tools/list').body, id: 'last' })}\n`)
  const answers = await answered.promise
  output.off('data', read)
  return answers
}

const line = (message: unknown): string => `${JSON.stringify(message)}\n`
const call = modernCall('x', { a: 1 }).body

describe('standard input', () => {
  it('is one message per line, whatever ends it, and a blank line is none', async () => {
    const text = `\n\r\n${JSON.stringify(call)}\r\n${JSON.stringify({ ...call, id: 2 })}\n\n`
    expect((await answersTo(text, 2)).map(({ id }) => id).toSorted()).toEqual([1, 2])
    expect(called.map(({ rawArgs }) => rawArgs)).toEqual([{ a: 1 }, { a: 1 }])
  })

  it('is read strictly: what two readers could read differently is answered -32700, under no id, and calls nothing', async () => {
    const twice = JSON.stringify(call).replace('"a":1', '"a":1,"a":2')
    const notUtf8 = Buffer.from(JSON.stringify(call).replace('"a"', '"\xff"'), 'latin1')
    for (const bytes of [twice, notUtf8, '{"jsonrpc"', `${'['.repeat(64)}${']'.repeat(64)}`])
      expect(await answersTo(bytes)).toMatchObject([{ id: null, error: { code: -32700 } }])
    expect([called, faults]).toEqual([[], []])
  })

  it('that is JSON and no message is answered -32600 or -32602, under its id where it has one', async () => {
    const answers = await answersTo(
      ['5', '[]', line({ ...call, jsonrpc: '1.0' }), line({ ...call, params: { name: 5, _meta: call.params._meta } })]
        .map((text) => text.trim())
        .join('\n'),
      4,
    )
    expect(answers.map(({ id, error }) => [id, error?.code])).toEqual([
      [null, -32600],
      [null, -32600],
      [1, -32600],
      [1, -32602],
    ])
    expect([called, faults]).toEqual([[], []])
  })

  it('of a line beyond 1 MiB is answered -32600 once, and the next line is served', async () => {
    const long = Buffer.alloc(3 * 1024 * 1024, 'x')
    const answers = await answersTo(Buffer.concat([long, Buffer.from(`\n${JSON.stringify(call)}`)]), 2)
    expect(answers.map(({ id, error }) => [id, error?.code])).toEqual([
      [null, -32600],
      [1, undefined],
    ])
  })

  it('of exactly 1 MiB is a message', async () => {
    const text = JSON.stringify(call)
    const args = Array.from({ length: 8 }, () => 'x'.repeat(130_000))
    const full = JSON.stringify(modernCall('x', { args }).body)
    const filled = full.replace('{', `{${' '.repeat(1024 * 1024 - full.length)}`)
    expect(Buffer.byteLength(filled)).toBe(1024 * 1024)
    expect(await answersTo(filled)).toMatchObject([{ id: 1, result: {} }])
    expect(await answersTo(` ${filled}`)).toMatchObject([{ id: null, error: { code: -32600 } }])
    expect(await answersTo(text)).toMatchObject([{ id: 1, result: {} }])
  })

  it('is read no further than its answers are read, and goes on when they are', async () => {
    const many = 'not json\n'.repeat(200)
    for (let chunk = 0; chunk < 50; chunk++) input.write(many)
    await setImmediate()
    await setImmediate()
    // Nobody reads: of 10,000 answers a few chunks' worth waits, and the rest of the input was not even looked at.
    expect(input.readableLength + input.writableLength).toBeGreaterThan(25 * many.length)
    expect(output.writableLength + output.readableLength).toBeLessThan(50 * many.length * 5)
    let answers = 0
    output.on('data', (piece: Buffer) => (answers += piece.filter((byte) => byte === 10).length))
    await until(() => answers === 10_000)
  })

  it('is not read again once it is closed, though there is room for answers', async () => {
    input.write('not json\n'.repeat(10_000))
    await setImmediate()
    expect(input.isPaused()).toBe(true)
    input.write(line(call))
    const closed = listener.close()
    output.resume()
    await closed
    await setImmediate()
    expect(called).toEqual([])
  })

  it('belongs to the revision it has spoken: from then on every request names one', async () => {
    const plain = { jsonrpc: '2.0', id: 7, method: 'tools/list' }
    await answersTo(line(call))
    expect(await answersTo(line(plain))).toMatchObject([
      { id: 7, error: { code: -32602, message: expect.stringContaining('params._meta') as string } },
    ])
  })

  it('tells the gateway who the client says it is, and which revision it opened with', async () => {
    const first = { ...initialize, params: { ...initialize.params, protocolVersion: '2025-06-18' } }
    const read = new Promise<void>((resolve) => {
      let text = ''
      output.on('data', (piece: Buffer) => {
        text += piece.toString()
        if (text.includes('"id":9')) resolve()
      })
    })
    input.write(line(first))
    input.write(line({ jsonrpc: '2.0', method: 'notifications/initialized' }))
    input.write(line(legacyCall('x', {}, 9)))
    await read
    expect(called).toMatchObject([{ transport: 'stdio', protocolVersion: '2025-06-18', client: 'raw/1' }])
  })
})
