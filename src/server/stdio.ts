import { serveStdio } from '@modelcontextprotocol/server/stdio'
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server'
import { setImmediate as turn } from 'node:timers/promises'
import type { Readable, Writable } from 'node:stream'
import { isJsonObject, type Json } from '../ports/json.ts'
import { connection, type Shows } from './connection.ts'
import { eraOf, messageProblem } from './message-rules.ts'
import { lines } from './lines.ts'
import { idOf, methodOf, modernVersionOf } from './message.ts'
import { clientOf } from './meta.ts'
import { mcpServer, type Exchange, type GatewayService } from './mcp.ts'
import { messageLimits, parseStrict } from './strict-json.ts'
import { drainTimes, underWay, type DrainTimes } from './under-way.ts'

export interface StdioOptions {
  readonly service: GatewayService
  /** What the client shows, asked for with every message: a renewed token takes the place of the one before. */
  readonly shows: Shows
  readonly input: Readable
  /** The real standard output; nothing but protocol may ever be written to it. */
  readonly output: Writable
  readonly fault: (error: unknown) => void
  readonly drain?: DrainTimes
}

export interface StdioListener {
  /** Resolves when the client has closed its end, or has come to be another principal: then with a sentence that says so. */
  readonly ended: Promise<string | undefined>
  /** Reads no more, lets the calls under way end and be answered, and only then ends the connection. */
  close(): Promise<void>
}

/** MCP over standard input and output: one JSON message per line, both protocol eras. Refuses when the credential is not valid. */
export async function listenStdio(options: StdioOptions): Promise<StdioListener> {
  const { service, fault } = options
  const client = await connection(options)
  const { transport, ended, seen, readNoMore } = lineTransport(options)
  const exchange = async (): Promise<Exchange> => ({
    transport: 'stdio',
    ...(await calls.during(client.now())),
    protocolVersion: seen.protocolVersion,
    ...(seen.client !== undefined && { client: seen.client }),
  })
  const calls = underWay()
  const counted: GatewayService = { ...service, call: (call) => calls.during(service.call(call)) }
  const build = () => mcpServer({ service: counted, exchangeOf: exchange, fault })
  const handle = serveStdio(build, { transport, onerror: fault })
  return {
    ended: Promise.race([ended.then(() => undefined), client.usurped]),
    async close() {
      const { drainMs, abortMs } = options.drain ?? drainTimes
      readNoMore()
      await turn() // a message that was read becomes a call
      await calls.idle(drainMs)
      await turn() // an answer that is known is written
      await handle.close()
      await calls.idle(abortMs)
    },
  }
}

interface Seen {
  protocolVersion: string
  /** The stateless revision this connection has spoken beyond asking what is served; from then on every request names one. */
  pinned?: string
  client?: string
}

/** Frames and parses lines itself: at most 1 MiB, strict UTF-8, strict JSON, one message each. */
function lineTransport({ input, output, fault }: StdioOptions): {
  transport: Transport
  ended: Promise<void>
  seen: Seen
  /** Also when the output, which held it back, has room again. */
  readNoMore: () => void
} {
  const seen: Seen = { protocolVersion: '2025-11-25' }
  const framer = lines(messageLimits.sizeBytesMax)
  const write = lineWriter(output)
  const refuse = (code: number, message: string, id: Json = null) =>
    write({ jsonrpc: '2.0', id, error: { code, message } })
  let reading = true
  /** Who reads no answers is read no further: what is written for them stays a chunk's worth. */
  function heldBack(): void {
    if (!output.writableNeedDrain || input.isPaused()) return
    input.pause()
    output.once('drain', () => reading && input.resume())
  }
  const transport: Transport = {
    async start() {
      input.on('data', (chunk: Buffer) => {
        for (const line of framer.push(chunk)) receive(line)
        heldBack()
      })
      input.on('error', fault)
      output.on('error', fault)
    },
    send: write,
    async close() {
      readNoMore()
      transport.onclose?.()
    },
  }
  const readNoMore = (): void => {
    reading = false
    input.pause()
  }
  const receive = (line: Uint8Array | undefined): void => {
    if (line === undefined) return void refuse(-32600, 'A message may have at most 1 MiB.')
    if (line.length === 0) return
    const parsed = parseStrict(line)
    if (!parsed.ok) return void refuse(-32700, `Parse error: ${parsed.why}`)
    const problem = messageProblem(parsed.value, eraOf(parsed.value, seen.pinned))
    if (problem) return void refuse(problem.code, problem.message, idOf(parsed.value))
    note(seen, parsed.value)
    transport.onmessage?.(parsed.value as unknown as JSONRPCMessage)
  }
  const ended = new Promise<void>((resolve) => input.once('end', resolve).once('close', resolve))
  return { transport, ended, seen, readNoMore }
}

/** What the client says of itself when the connection opens. */
function note(seen: Seen, message: Json): void {
  const modern = modernVersionOf(message)
  if (modern !== undefined && methodOf(message) !== 'server/discover') seen.pinned ??= modern
  if (!isJsonObject(message) || message['method'] !== 'initialize' || !isJsonObject(message['params'])) return
  const { protocolVersion, clientInfo } = message['params']
  if (typeof protocolVersion === 'string') seen.protocolVersion = protocolVersion.slice(0, 32)
  const client = clientOf(clientInfo)
  if (client !== undefined) seen.client = client
}

/** Writes a message as one line, and resolves when there is room for another. */
function lineWriter(output: Writable): (message: unknown) => Promise<void> {
  let room: Promise<void> | undefined
  return (message) => {
    if (output.write(`${JSON.stringify(message)}\n`)) return Promise.resolve()
    return (room ??= new Promise((resolve) => {
      output.once('drain', () => {
        room = undefined
        resolve()
      })
    }))
  }
}
