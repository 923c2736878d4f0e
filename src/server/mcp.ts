import { ProtocolError, Server, type ServerContext } from '@modelcontextprotocol/server'
import type { Identify } from '../call/authenticate.ts'
import type { Credential } from '../call/call.ts'
import type { Halted } from '../call/halt.ts'
import type { Settled } from '../call/handle.ts'
import type { CallRequest } from '../call/receive.ts'
import { brokenInside, surface, withRefusal, type Surface } from '../call/surface.ts'
import type { Principal } from '../identity/principal.ts'
import type { Json } from '../ports/json.ts'
import type { ToolDefinition } from '../ports/tool.ts'
import { stateSentBack, waitForPerson } from './input-required.ts'
import { serverInfo } from './server-info.ts'
import { readMeta } from './meta.ts'

/** What a transport asks of the gateway. */
export interface GatewayService {
  readonly identify: Identify
  /** Proves a credential without taking it for a sender; `identify` does that, once it is known who sends. */
  readonly prove: Identify
  /** The switch that stops everything this principal does, where one is engaged: on its session, token or tenant. From memory. */
  stopped(who: Principal): Halted | undefined
  call(request: CallRequest): Promise<Settled>
  /** The tools this principal may use, in a fixed order. */
  tools(who: Principal): readonly ToolDefinition[]
  /** Told of each attempt without a valid credential that leaves no record, because there were too many. */
  unrecorded?(code: string): void
}

/** What the transport knows of a request that the protocol layer does not. */
export interface Exchange {
  readonly transport: 'http' | 'stdio'
  readonly credential: Credential
  readonly who: Principal
  readonly protocolVersion: string
  readonly mcpSession?: string
  readonly client?: string
  /** The W3C context of the HTTP header. */
  readonly headerTraceparent?: string
  /** Set by the call when its refusal has an HTTP status of its own. */
  refused?: Extract<Surface, { kind: 'error' }>
  /** Called when a call has settled that its client had cancelled: the protocol layer sends no answer to it. */
  readonly unanswered?: () => void
}

const instructions =
  'Every call passes authentication, policy and redaction and is recorded as signed evidence. A refusal is a result whose ' +
  'text begins with DENY and whose structured content holds `denied`: read its code, change what it names, or wait `retryAfterMs`. ' +
  'Tools that change things need a UUID in `idemKey`; repeat a call with the same key and it runs once.'

export interface McpParts {
  readonly service: GatewayService
  readonly exchangeOf: (context: ServerContext) => Exchange | Promise<Exchange>
  /** Told of what broke; the caller learns only that something did. */
  readonly fault: (error: unknown) => void
}

/** One protocol instance: for one request over HTTP, for one connection over stdio. */
export function mcpServer({ service, exchangeOf, fault }: McpParts): Server {
  const server = new Server(serverInfo, { capabilities: { tools: {} }, instructions })
  const guarded = guard(fault)
  server.setRequestHandler('tools/list', (_request, context) =>
    guarded(async () => {
      const { who, credential } = await exchangeOf(context)
      // Nobody may use anything.
      const refused = credential.kind === 'none' && credential.refused !== undefined
      const tools = refused ? [] : service.tools(who).map(onTheWire)
      return { tools, ttlMs: 60_000, cacheScope: 'private' }
    }),
  )
  server.setRequestHandler('tools/call', (request, context) =>
    guarded(async () => {
      const exchange = await exchangeOf(context)
      try {
        const settled = await service.call(callFrom(request.params, exchange, context))
        const waiting = waitForPerson(settled.outcome, context)
        return waiting ?? answer(surface(settled.outcome, exchange.transport), exchange)
      } finally {
        if (context.mcpReq.signal.aborted) exchange.unanswered?.()
      }
    }),
  )
  return server
}

/** The protocol layer shows callers the text of any error. Ours say nothing of the inside. */
function guard(fault: McpParts['fault']): (handle: () => Promise<unknown>) => Promise<never> {
  return async (handle) => {
    try {
      return (await handle()) as never
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      fault(error)
      throw new ProtocolError(brokenInside.code, brokenInside.message, brokenInside.data)
    }
  }
}

/** A definition as clients see it, with an output schema that a refusal fits too. */
function onTheWire(definition: ToolDefinition) {
  const { outputSchema } = definition
  return { ...definition, ...(outputSchema && { outputSchema: withRefusal(outputSchema) }) }
}

function callFrom(
  params: { name: string; arguments?: unknown },
  exchange: Exchange,
  context: ServerContext,
): CallRequest {
  const { id, _meta, envelope, signal } = context.mcpReq
  const meta = readMeta({ ..._meta, ...envelope } as Json)
  const parent = meta.traceparent ?? exchange.headerTraceparent
  const link = meta.traceparent === undefined ? undefined : exchange.headerTraceparent
  const client = meta.client ?? exchange.client
  const resumes = stateSentBack(context)
  return {
    transport: exchange.transport,
    protocolVersion: exchange.protocolVersion,
    requestId: String(id),
    ...(exchange.mcpSession !== undefined && { mcpSession: exchange.mcpSession }),
    ...(client !== undefined && { client }),
    credential: exchange.credential,
    toolName: params.name,
    rawArgs: (params.arguments ?? {}) as Json,
    plan: meta.plan,
    ...(resumes !== undefined && { resumes }),
    ...(parent !== undefined && { traceparent: parent }),
    ...(meta.tracestate !== undefined && { tracestate: meta.tracestate }),
    ...(link !== undefined && { linkTraceparent: link }),
    signal,
  }
}

function answer(shown: Surface, exchange: Exchange): unknown {
  if (shown.kind === 'result') return shown.result
  if (shown.status !== undefined) exchange.refused = shown
  throw new ProtocolError(shown.code, shown.message, shown.data)
}
