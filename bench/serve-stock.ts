import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { serveParent } from './child.ts'
import { stockV1, stockV2 } from './stock.ts'

/** Serves one stock mode, each with its fastest documented settings: JSON answers, no stream. */

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

/** A server and a transport for every request. */
const v1Stateless: Handler = async (request, response) => {
  const server = stockV1()
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  response.on('close', () => void Promise.all([transport.close(), server.close()]))
  await server.connect(transport)
  await transport.handleRequest(request, response)
}

interface SessionTransport {
  handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void>
}

/** A server and a transport for every session. */
function sessions(open: (keep: (id: string) => void) => Promise<SessionTransport>): Handler {
  const held = new Map<string, SessionTransport>()
  return async (request, response) => {
    const known = held.get(String(request.headers['mcp-session-id']))
    if (known) return known.handleRequest(request, response)
    const opened = await open((id) => held.set(id, opened))
    return opened.handleRequest(request, response)
  }
}

const settings = { sessionIdGenerator: () => randomUUID(), enableJsonResponse: true }

async function openV1(keep: (id: string) => void): Promise<SessionTransport> {
  const transport = new StreamableHTTPServerTransport({ ...settings, onsessioninitialized: keep })
  await stockV1().connect(transport)
  return transport
}

async function openV2(keep: (id: string) => void): Promise<SessionTransport> {
  const transport = new NodeStreamableHTTPServerTransport({ ...settings, onsessioninitialized: keep })
  await stockV2().connect(transport)
  return transport
}

/** No session: everything a call needs is in its request. */
function modern(): Handler {
  // It says once that JSON answers drop notifications; this tool sends none.
  Object.assign(console, { warn: () => undefined })
  const handle = toNodeHandler(createMcpHandler(stockV2, { responseMode: 'json' }))
  return (request, response) => void handle(request as never, response)
}

const handlers: Readonly<Record<string, () => Handler>> = {
  'v1-stateless': () => v1Stateless,
  'v1-session': () => sessions(openV1),
  'v2-session': () => sessions(openV2),
  'v2-modern': modern,
}

const handler = handlers[process.argv[2] ?? '']?.()
if (!handler) throw new Error(`serve-stock.ts takes one of ${Object.keys(handlers).join(', ')}.`)
const server = createServer((request, response) => void handler(request, response))
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  serveParent({ port: (server.address() as AddressInfo).port }, () => server.closeAllConnections())
})
