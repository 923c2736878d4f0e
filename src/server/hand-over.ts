import type { IncomingMessage, ServerResponse } from 'node:http'
import type { McpHttpHandler, Server } from '@modelcontextprotocol/server'
import type { Principal } from '../identity/principal.ts'
import type { Json } from '../ports/json.ts'
import { addressOf } from './address.ts'
import type { Backlog } from './backlog.ts'
import { deliver } from './deliver.ts'
import { valuesOf } from './host-guard.ts'
import type { Exchange } from './mcp.ts'
import { versionOf } from './message.ts'
import { authInfoOf, protocolRequest } from './protocol-request.ts'
import type { McpSession, McpSessions } from './sessions.ts'
import type { StandingStreams } from './standing-streams.ts'
import type { Door } from './turn-away.ts'
import type { UnderWay } from './under-way.ts'

/** What serves `/mcp`. */
export interface Endpoint extends Door {
  /** A fresh protocol instance. */
  readonly build: () => Server
  /** Serves 2026-07-28, and requests of the 2025 revisions that opened no session. */
  readonly modern: McpHttpHandler
  readonly sessions: McpSessions
  readonly streams: StandingStreams
  readonly backlog: Backlog
  /** Messages that are being answered. */
  readonly answering: UnderWay
}

export type Caller = Pick<Exchange, 'credential' | 'transport' | 'mcpSession'>

/** A request whose sender is known and whose body, if it has one, has been read. */
export interface Arrived {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly caller: Caller
  readonly who: Principal
  /** Null where there is none: GET and DELETE. */
  readonly body: Json
}

/** Passes the request to the session's transport, or to the handler that needs none; what comes back is written when told. */
export async function handOver(endpoint: Endpoint, arrived: Arrived, session: McpSession | undefined) {
  const { request, response, body } = arrived
  const unanswered = Promise.withResolvers<void>()
  const exchange: Exchange = { ...exchangeFor(arrived, session), unanswered: unanswered.resolve }
  const address = addressOf(request, endpoint.reachable)
  const web = protocolRequest(request, response, address)
  const passed = { authInfo: authInfoOf(exchange), ...(body !== null && { parsedBody: body }) }
  const answer = await (session ? session.transport.handleRequest(web, passed) : endpoint.modern.fetch(web, passed))
  if (request.method === 'GET' && answer.ok) followed(endpoint, arrived, unanswered.resolve)
  const { backlog } = endpoint
  const delivery = { exchange, body, unanswered: unanswered.promise, address, backlog }
  return { answer, deliver: () => deliver(answer, delivery, response) }
}

/** The stream of a session ends with the token it was opened with, whatever ends that: its time, its key, a switch. */
function followed({ service, streams }: Endpoint, { caller, response }: Arrived, end: () => void): void {
  const still = async () => {
    const identity = await service.prove(caller)
    return identity.ok && service.stopped(identity.who) === undefined
  }
  response.once('close', streams.follow({ still, end }))
}

function exchangeFor({ request, body, who, caller }: Arrived, session: McpSession | undefined): Exchange {
  const headerTraceparent = valuesOf(request, 'traceparent')[0]
  return {
    ...caller,
    who,
    protocolVersion: valuesOf(request, 'mcp-protocol-version')[0] ?? versionOf(body),
    ...(session?.client !== undefined && { client: session.client }),
    ...(headerTraceparent !== undefined && { headerTraceparent }),
  }
}
