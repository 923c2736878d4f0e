import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { brokenInside } from '../call/surface.ts'
import type { JsonObject } from '../ports/json.ts'
import { sendJson, sendRpcError } from './body.ts'
import { hostProblem, loopbackHosts, loopbackOrigins, type HostRules } from './host-guard.ts'
import { mcpServer, type GatewayService } from './mcp.ts'
import { exchangeIn, serveMcp, type Endpoint } from './mcp-http.ts'
import { mcpSessions } from './sessions.ts'

export interface HttpOptions {
  readonly service: GatewayService
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  /** Host names served beside the loopback ones. */
  readonly hosts?: readonly string[]
  readonly origins?: readonly string[]
  /** Authorization servers named in the RFC 9728 document. */
  readonly authorizationServers: readonly string[]
  readonly scopes: readonly string[]
  readonly nowMs: () => number
  readonly fault: (error: unknown) => void
}

export interface HttpListener {
  /** Where MCP clients connect, e.g. `http://127.0.0.1:8787/mcp`. */
  readonly url: string
  close(): Promise<void>
}

/** How long and how much a client may take, before anything is believed. */
const dials = {
  headersTimeout: 5_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
}

interface Listener {
  readonly options: HttpOptions
  readonly rules: HostRules
  readonly endpoint: Endpoint
}

/**
 * MCP over Streamable HTTP, both protocol eras. This edge owns the bytes: Host and Origin, size, strict JSON and the
 * token are judged here; the protocol layer gets the parsed object.
 */
export async function listenHttp(options: HttpOptions): Promise<HttpListener> {
  const server = createServer(dials)
  server.maxHeadersCount = 64
  server.maxRequestsPerSocket = 0
  server.maxConnections = 4096
  const port = await listening(server, options)
  const listener = listenerOf(options, port)
  server.on('request', (request, response) => {
    route(listener, request, response).catch((error: unknown) => failed(options, response, error))
  })
  return {
    url: `${listener.endpoint.origin}/mcp`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      await Promise.all([listener.endpoint.modern.close(), listener.endpoint.sessions.close()])
      server.closeIdleConnections()
      await closed
    },
  }
}

function listenerOf(options: HttpOptions, port: number): Listener {
  const { service, nowMs, fault } = options
  const build = () => mcpServer({ service, exchangeOf: exchangeIn, fault })
  return {
    options,
    rules: {
      hosts: [...loopbackHosts, ...(options.hosts ?? [])],
      origins: [...loopbackOrigins(port), ...(options.origins ?? [])],
    },
    endpoint: {
      service,
      build,
      modern: createMcpHandler(build, { onerror: () => undefined }),
      sessions: mcpSessions({ sessionsMax: 1000, idleMsMax: 60_000, nowMs, id: randomUUID }),
      origin: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    },
  }
}

function listening(server: HttpServer, { host, port }: HttpOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })
}

function failed(options: HttpOptions, response: ServerResponse, error: unknown): void {
  options.fault(error)
  sendRpcError(response, 500, brokenInside)
}

async function route(listener: Listener, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const problem = hostProblem(request, listener.rules)
  if (problem !== undefined) return sendJson(response, 403, { error: { message: problem } })
  const path = (request.url ?? '/').split('?')[0]
  if (path === '/mcp') return serveMcp(listener.endpoint, request, response)
  if (path === '/.well-known/oauth-protected-resource' || path === '/.well-known/oauth-protected-resource/mcp') {
    return sendJson(response, 200, resourceMetadata(listener))
  }
  sendJson(response, 404, { error: { message: 'Nothing is served here. MCP is at /mcp.' } })
}

/** RFC 9728, section 3. */
function resourceMetadata({ options, endpoint }: Listener): JsonObject {
  return {
    resource: `${endpoint.origin}/mcp`,
    authorization_servers: options.authorizationServers,
    scopes_supported: options.scopes,
    bearer_methods_supported: ['header'],
  }
}
