import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { brokenInside } from '../call/surface.ts'
import { algorithms } from '../ports/issuer-keys.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Clock } from '../ports/clock.ts'
import { addressOf } from './address.ts'
import { anonymousLimit } from './anonymous.ts'
import { sendJson, sendRpcError } from './body.ts'
import { hostProblem, hostRules, type HostRules } from './host-guard.ts'
import { deniedSchema } from '../call/denied.ts'
import { defaultDials } from './dials.ts'
import { openListener, type ListenerOptions, type Listening } from './listener.ts'
import { guardedIdentity } from './identity-guard.ts'
import { mcpServer, type GatewayService } from './mcp.ts'
import type { Endpoint } from './hand-over.ts'
import { serveMcp } from './mcp-http.ts'
import { exchangeIn } from './protocol-request.ts'
import { standingStreams } from './standing-streams.ts'
import { mcpSessions } from './sessions.ts'
import { drainTimes, underWay, type DrainTimes, type UnderWay } from './under-way.ts'

export interface HttpOptions extends ListenerOptions {
  readonly service: GatewayService
  /** Host names served beside the loopback ones. */
  readonly hosts?: readonly string[]
  readonly origins?: readonly string[]
  /** Authorization servers named in the RFC 9728 document. */
  readonly authorizationServers: readonly string[]
  readonly scopes: readonly string[]
  readonly clock: Clock
  readonly drain?: DrainTimes
  /** Where `/mcp` is for clients, when something stands before the listener. */
  readonly publicUrl?: string
  /** Longest wait for who somebody is; half a minute unless given. */
  readonly identityTimeoutMs?: number
}

export interface HttpListener {
  /** Where MCP clients connect, e.g. `http://127.0.0.1:8787/mcp`. */
  readonly url: string
  close(): Promise<void>
}

/** A tenant never has more than half of them, so that others find one. */
const sessionPlaces = { sessionsMax: 2_000, perTenantMax: 1_000, perPrincipalMax: 64 }

interface Served {
  readonly options: HttpOptions
  readonly rules: HostRules
  readonly endpoint: Endpoint
  /** Calls the gateway has not settled yet, whether or not somebody waits for the answer. */
  readonly calls: UnderWay
}

/**
 * MCP over Streamable HTTP, both protocol eras. This edge owns the bytes: Host and Origin, size, strict JSON and the
 * token are judged here; the protocol layer gets the parsed object.
 */
export async function listenHttp(options: HttpOptions): Promise<HttpListener> {
  const listening = await openListener(options)
  const { server, origin } = listening
  const served = servedBy(options, listening)
  const open = new Set<ServerResponse>()
  listening.serve((request, response) => {
    open.add(response)
    response.once('close', () => open.delete(response))
    if (!server.listening) lastOnConnection(response)
    route(served, request, response).catch((error: unknown) => {
      // A client that leaves in the middle of its body is no fault of ours.
      if (!request.readableAborted) failed(options, response, error)
    })
  })
  return {
    url: `${origin}/mcp`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const response of open) lastOnConnection(response)
      await drain(served, options.drain ?? drainTimes)
      server.closeAllConnections()
      await closed
    },
  }
}

/** Tells the client to connect anew for its next request, where the answer has not begun. */
function lastOnConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}

/** Waits for answers, then ends the protocol layer, which aborts what took too long; those calls still end on record. */
async function drain({ endpoint, calls }: Served, { drainMs, abortMs }: DrainTimes): Promise<void> {
  await Promise.all([endpoint.answering.idle(drainMs), calls.idle(drainMs)])
  endpoint.streams.close()
  await Promise.all([endpoint.modern.close(), endpoint.sessions.close()])
  await Promise.all([endpoint.answering.idle(abortMs), calls.idle(abortMs)])
}

function servedBy(options: HttpOptions, { port, scheme, backlog }: Listening): Served {
  const { clock, fault } = options
  const calls = underWay()
  const service: GatewayService = {
    ...options.service,
    ...guardedIdentity(options.service, fault, options.identityTimeoutMs),
    call: (call) => calls.during(options.service.call(call)),
  }
  const build = () => mcpServer({ service, exchangeOf: exchangeIn, fault })
  return {
    options,
    calls,
    rules: hostRules({ ...options, hosts: [...(options.hosts ?? []), ...publicHost(options)] }, scheme, port),
    endpoint: {
      service,
      build,
      modern: createMcpHandler(build, { onerror: () => undefined }),
      sessions: mcpSessions({ ...sessionPlaces, nowMs: clock.nowMs, id: randomUUID }),
      streams: standingStreams(options.dials?.lookEveryMs ?? defaultDials.lookEveryMs),
      anonymous: anonymousLimit(clock),
      answering: underWay(),
      backlog,
      reachable: { scheme, port, ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }) },
    },
  }
}

function failed(options: HttpOptions, response: ServerResponse, error: unknown): void {
  options.fault(error)
  sendRpcError(response, 500, brokenInside)
}

async function route(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const problem = hostProblem(request, served.rules)
  if (problem !== undefined) return sendJson(response, 403, { error: { message: problem } })
  const path = (request.url ?? '/').split('?')[0]
  if (path === '/mcp') return serveMcp(served.endpoint, request, response)
  if (path === '/.well-known/oauth-protected-resource' || path === '/.well-known/oauth-protected-resource/mcp') {
    return sendJson(response, 200, resourceMetadata(served, request))
  }
  if (path === '/schemas/denied.json') return sendJson(response, 200, deniedSchema)
  sendJson(response, 404, { error: { message: 'Nothing is served here. MCP is at /mcp.' } })
}

/** The name clients know is served, too. */
function publicHost({ publicUrl }: HttpOptions): readonly string[] {
  return publicUrl === undefined ? [] : [new URL(publicUrl).hostname]
}

/** RFC 9728, section 2, with what RFC 8705 and RFC 9449 add. */
function resourceMetadata({ options, endpoint }: Served, request: IncomingMessage): JsonObject {
  return {
    resource: addressOf(request, endpoint.reachable),
    authorization_servers: options.authorizationServers,
    scopes_supported: options.scopes,
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: algorithms,
    tls_client_certificate_bound_access_tokens: (options.tls?.clientCert ?? 'none') !== 'none',
  }
}
