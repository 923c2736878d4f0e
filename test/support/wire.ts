import { request, type IncomingHttpHeaders } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import type { JsonObject } from '../../src/ports/json.ts'

/** One HTTP answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The JSON-RPC message in it, whether it came as JSON or as a stream; `{}` where there is none. */
  readonly message: Message
}

export interface Message {
  readonly id?: unknown
  readonly result?: JsonObject & {
    readonly content?: readonly { readonly text?: string }[]
    readonly structuredContent?: JsonObject
    readonly isError?: boolean
    readonly tools?: readonly { readonly name: string; readonly inputSchema: JsonObject }[]
  }
  readonly error?: { readonly code: number; readonly message: string; readonly data?: JsonObject }
}

export interface Sent {
  readonly method?: string
  /** Sent as they are: a list of values is a repeated header. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer
  /** Whom to trust, and what to show, where the address is `https`. */
  readonly tls?: SecureContextOptions
  /** Pause after each piece of the answer; `unread` reads none of it. */
  readonly pauseMs?: number
  readonly unread?: boolean
}

const accepts = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' }

/** Sends exactly these bytes and headers. Nothing is followed, retried or pooled. */
export function send(
  url: string,
  { method = 'POST', headers = {}, body, tls = {}, pauseMs = 0, unread = false }: Sent = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const open = url.startsWith('https:') ? secureRequest : request
    const sent = open(url, { ...tls, method, agent: false, setHost: headers['host'] === undefined }, (response) => {
      const pieces: Buffer[] = []
      if (unread) return void response.on('error', reject)
      response.on('data', (piece: Buffer) => {
        pieces.push(piece)
        if (pauseMs === 0) return
        response.pause()
        setTimeout(() => response.resume(), pauseMs)
      })
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(pieces).toString()
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, message: messageIn(text) })
      })
    })
    sent.on('error', reject)
    // Node leaves the length of a DELETE's body out.
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    for (const [name, value] of Object.entries({ ...accepts, ...length, ...headers }))
      sent.setHeader(name, typeof value === 'string' ? value : [...value])
    sent.end(body)
  })
}

/** Sends one JSON-RPC request as an agent with this token would. */
export function rpc(url: string, token: string, body: object, more: Sent['headers'] = {}): Promise<Answer> {
  return send(url, { headers: { authorization: `Bearer ${token}`, ...more }, body: JSON.stringify(body) })
}

/** A `tools/call` of the 2026-07-28 revision, with the headers that go with it. */
export function modernCall(name: string, args: object, meta: object = {}) {
  return modern('tools/call', { name, arguments: args, _meta: meta }, { 'mcp-name': name })
}

/** Any request of the 2026-07-28 revision. */
export function modern(
  method: string,
  params: { readonly _meta?: object; readonly [name: string]: unknown } = {},
  more: Record<string, string> = {},
) {
  const _meta = {
    ...params._meta,
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  }
  return {
    body: { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } },
    headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...more },
  }
}

/** A `tools/call` of the 2025-11-25 revision. */
export function legacyCall(name: string, args: object, id: unknown = 1) {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } }
}

/** The first message of a client of the 2025-11-25 revision. */
export const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
}

/** The code an answer was refused with; undefined for one that was not. */
export function deniedCodeIn(message: Message | undefined): string | undefined {
  const said = message?.result?.structuredContent ?? message?.error?.data
  return (said?.['denied'] as { readonly code?: string } | undefined)?.code
}

function messageIn(text: string): Message {
  const data = text.startsWith('{') ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? '{}')
  return JSON.parse(data) as Message
}
