import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuthInfo, McpHttpHandler, Server, ServerContext } from '@modelcontextprotocol/server'
import { surface } from '../call/surface.ts'
import type { Principal } from '../identity/principal.ts'
import { isJsonObject, type Json } from '../ports/json.ts'
import { readBody, sendRpcError } from './body.ts'
import { valuesOf } from './host-guard.ts'
import type { Exchange, GatewayService } from './mcp.ts'
import { idOf, isInitialize, methodOf, modernVersionOf, paramsOf, toolNameOf, versionOf } from './message.ts'
import { clientOf } from './meta.ts'
import type { McpSessions } from './sessions.ts'
import { messageLimits, parseStrict } from './strict-json.ts'

/** What serves `/mcp`. */
export interface Endpoint {
  readonly service: GatewayService
  /** A fresh protocol instance. */
  readonly build: () => Server
  /** Serves 2026-07-28, and requests of the 2025 revisions that opened no session. */
  readonly modern: McpHttpHandler
  readonly sessions: McpSessions
  /** `http://host:port` of this listener. */
  readonly origin: string
}

/** The exchange a request was passed on with. */
export const exchangeIn = ({ http }: ServerContext): Exchange => http?.authInfo?.extra?.['exchange'] as Exchange

/** Serves one HTTP request to `/mcp`. The token is judged first, then the era decides who answers. */
export async function serveMcp(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = request.method === 'POST' ? await postBody(request, response) : null
  if (body === undefined) return
  const token = bearerOf(request)
  const mcpSession = valuesOf(request, 'mcp-session-id')[0]
  const credential = token === undefined ? ({ kind: 'none' } as const) : ({ kind: 'bearer', token } as const)
  const caller = { credential, transport: 'http' as const, ...(mcpSession !== undefined && { mcpSession }) }
  const identity = await endpoint.service.identify(caller)
  if (!identity.ok) return unauthenticated(endpoint, response, body, caller)
  const { who } = identity
  const held = mcpSession === undefined ? undefined : endpoint.sessions.find(mcpSession, who)
  const exchange = exchangeFor(request, body, who, { ...caller, client: held?.client })
  const web = webRequest(request, response, endpoint.origin)
  const passed = { authInfo: authInfoOf(exchange), ...(body !== null && { parsedBody: body }) }
  if (mcpSession !== undefined && modernVersionOf(body) === undefined) {
    if (!held) return sendRpcError(response, 404, { code: -32001, message: 'There is no such session.' }, idOf(body))
    return deliver(await held.transport.handleRequest(web, passed), exchange, body, endpoint, response)
  }
  const opens = isInitialize(body) && modernVersionOf(body) === undefined
  const opened = opens ? await openSession(endpoint, exchange, body) : undefined
  if (opens && !opened) return sendRpcError(response, 503, { code: -32000, message: 'Too many sessions.' }, idOf(body))
  const answer = opened ? await opened.transport.handleRequest(web, passed) : await endpoint.modern.fetch(web, passed)
  return deliver(answer, exchange, body, endpoint, response)
}

/** The parsed body; undefined when the request was refused and answered. */
async function postBody(request: IncomingMessage, response: ServerResponse): Promise<Json | undefined> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    sendRpcError(response, 415, { code: -32600, message: 'Send application/json.' })
    return undefined
  }
  const bytes = await readBody(request, messageLimits.sizeBytesMax)
  if (bytes === undefined) {
    const denied = { code: 'invalid_arguments', message: 'A message may have at most 1 MiB.' }
    sendRpcError(response, 413, { code: 413001, message: denied.message, data: { denied } }, null, {
      connection: 'close',
    })
    return undefined
  }
  const parsed = parseStrict(bytes)
  if (!parsed.ok) {
    sendRpcError(response, 400, { code: -32700, message: `Parse error: ${parsed.why}` })
    return undefined
  }
  if (Array.isArray(parsed.value)) {
    sendRpcError(response, 400, { code: -32600, message: 'Batches are not served. Send one message per request.' })
    return undefined
  }
  return parsed.value
}

/** RFC 6750, section 2.1, and only that: one header, never the query. */
function bearerOf(request: IncomingMessage): string | undefined {
  const values = valuesOf(request, 'authorization')
  const match = values.length === 1 ? /^Bearer ([^\s]+)$/i.exec(values[0] as string) : null
  return match?.[1]
}

/** 401 with a challenge. A tool call without a valid token still runs through the gates, so that the attempt is evidence. */
async function unauthenticated(
  endpoint: Endpoint,
  response: ServerResponse,
  body: Json,
  caller: Pick<Exchange, 'credential' | 'transport'>,
): Promise<void> {
  const headers = { 'www-authenticate': challenge(endpoint, 'error="invalid_token"') }
  const settled = await endpoint.service.call({
    ...caller,
    protocolVersion: versionOf(body),
    toolName: toolNameOf(body) ?? methodOf(body),
    rawArgs: {},
    plan: {},
    signal: AbortSignal.timeout(30_000),
  })
  const shown = surface(settled.outcome, 'http')
  const error = shown.kind === 'error' ? shown : { code: 401001, message: 'DENY unauthenticated', data: {} }
  sendRpcError(response, 401, { code: error.code, message: error.message, data: error.data }, idOf(body), headers)
}

function exchangeFor(
  request: IncomingMessage,
  body: Json,
  who: Principal,
  caller: Pick<Exchange, 'credential' | 'transport' | 'mcpSession'> & { readonly client: string | undefined },
): Exchange {
  const headerTraceparent = valuesOf(request, 'traceparent')[0]
  const { client, ...rest } = caller
  return {
    ...rest,
    who,
    protocolVersion: valuesOf(request, 'mcp-protocol-version')[0] ?? versionOf(body),
    ...(client !== undefined && { client }),
    ...(headerTraceparent !== undefined && { headerTraceparent }),
  }
}

async function openSession(endpoint: Endpoint, exchange: Exchange, body: Json) {
  const params = paramsOf(body)
  const client = clientOf(isJsonObject(params) ? params['clientInfo'] : undefined)
  return endpoint.sessions.open(exchange.who, client, endpoint.build())
}

function authInfoOf(exchange: Exchange): AuthInfo {
  const token = exchange.credential.kind === 'bearer' ? exchange.credential.token : ''
  return { token, clientId: exchange.who.actor.id, scopes: [...exchange.who.rights], extra: { exchange } }
}

/** The request as the protocol layer reads it: method, headers and a signal that fires when the client goes away. */
function webRequest(request: IncomingMessage, response: ServerResponse, origin: string): Request {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const headers = new Headers()
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (name === 'authorization') continue
    for (const value of values ?? []) headers.append(name, value)
  }
  return new Request(`${origin}/mcp`, { method: request.method ?? 'GET', headers, signal: gone.signal })
}

/**
 * Writes the protocol layer's answer. A refusal with a status of its own is known by the time the first bytes of the
 * answer are, and takes its place, whether the answer would have been JSON or a stream.
 */
async function deliver(
  answer: Response,
  exchange: Exchange,
  body: Json,
  endpoint: Endpoint,
  response: ServerResponse,
): Promise<void> {
  const reader = answer.body?.getReader()
  const isCall = methodOf(body) === 'tools/call'
  const first = isCall ? await reader?.read() : undefined
  if (exchange.refused) {
    await reader?.cancel()
    return sendRefused(exchange.refused, body, endpoint, response)
  }
  response.writeHead(answer.status, {
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...Object.fromEntries(answer.headers),
  })
  if (!isCall) response.flushHeaders()
  for (let next = first ?? (await reader?.read()); next && !next.done; next = await reader?.read()) {
    if (response.destroyed) return reader?.cancel()
    if (!response.write(next.value))
      await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
  }
  response.end()
}

function sendRefused(
  refused: NonNullable<Exchange['refused']>,
  body: Json,
  endpoint: Endpoint,
  response: ServerResponse,
): void {
  const { status, code, message, data, retryAfterMs } = refused
  const scopes = (data['denied'] as { elevate?: { scopes?: readonly string[] } } | undefined)?.elevate?.scopes ?? []
  const error = status === 403 ? `error="insufficient_scope", scope="${scopes.join(' ')}"` : 'error="invalid_token"'
  sendRpcError(response, status ?? 500, { code, message, data }, idOf(body), {
    ...((status === 401 || status === 403) && { 'www-authenticate': challenge(endpoint, error) }),
    ...(retryAfterMs !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }),
  })
}

/** What a caller needs to do better (RFC 6750 §3, RFC 9728 §5.1). */
function challenge({ origin }: Endpoint, error: string): string {
  return `Bearer ${error}, resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`
}
