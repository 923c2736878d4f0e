import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream/promises'
import type { AuthInfo, McpHttpHandler, Server, ServerContext } from '@modelcontextprotocol/server'
import type { Identity } from '../call/authenticate.ts'
import type { Credential } from '../call/call.ts'
import type { Principal } from '../identity/principal.ts'
import { isJsonObject, type Json } from '../ports/json.ts'
import type { Backlog } from './backlog.ts'
import { readBody, sendRpcError } from './body.ts'
import { addressOf } from './address.ts'
import { credentialOf } from './credential.ts'
import { deliver } from './deliver.ts'
import { valuesOf } from './host-guard.ts'
import type { Exchange } from './mcp.ts'
import { idOf, isInitialize, modernVersionOf, paramsOf, versionOf } from './message.ts'
import { eraOf, messageProblem } from './message-rules.ts'
import { clientOf } from './meta.ts'
import { idleMsMax, type McpSession, type McpSessions } from './sessions.ts'
import { messageLimits, parseStrict } from './strict-json.ts'
import { sendTooMany, turnAway, type Door } from './turn-away.ts'
import type { UnderWay } from './under-way.ts'

/** What serves `/mcp`. */
export interface Endpoint extends Door {
  /** A fresh protocol instance. */
  readonly build: () => Server
  /** Serves 2026-07-28, and requests of the 2025 revisions that opened no session. */
  readonly modern: McpHttpHandler
  readonly sessions: McpSessions
  readonly backlog: Backlog
  /** Messages that are being answered. */
  readonly answering: UnderWay
}

type Caller = Pick<Exchange, 'credential' | 'transport' | 'mcpSession'>

/** A request whose sender is known and whose body, if it has one, has been read. */
interface Arrived {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly caller: Caller
  readonly who: Principal
  /** Null where there is none: GET and DELETE. */
  readonly body: Json
}

const methods = ['GET', 'POST', 'DELETE']

/** The exchange a request was passed on with. */
export const exchangeIn = ({ http }: ServerContext): Exchange => http?.authInfo?.extra?.['exchange'] as Exchange

/** Serves one HTTP request to `/mcp`. From its first byte on it counts as being answered, so that no stop comes in between. */
export function serveMcp(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const served = serve(endpoint, request, response)
  // A stream that a GET opened has no end to wait for.
  return request.method === 'GET' ? served : endpoint.answering.during(served.then(() => written(response)))
}

/** Judges the method and the token, and only then reads what the request says and answers. */
async function serve(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!methods.includes(request.method ?? '')) return sendNotAllowed(response)
  const caller = callerOf(endpoint, request)
  const identity = await endpoint.service.prove(caller)
  if (!identity.ok) return turnAway(endpoint, request, response, identity)
  const body = request.method === 'POST' ? await postBody(request, response) : null
  if (body === undefined) return
  const proven: Caller = { ...caller, credential: provenBy(identity) }
  return answer(endpoint, { request, response, caller: proven, who: identity.who, body })
}

/** From here on the token itself is not needed, and goes no further. */
function provenBy({ proof }: Extract<Identity, { ok: true }>): Credential {
  return proof ? { kind: 'proven', proof } : { kind: 'none' }
}

/** Resolves when the last byte has gone to the system, or the client has. */
async function written(response: ServerResponse): Promise<void> {
  await finished(response).catch(() => undefined)
}

function sendNotAllowed(response: ServerResponse): void {
  sendRpcError(response, 405, { code: -32000, message: 'Method not allowed.' }, null, { allow: methods.join(', ') })
}

function callerOf(endpoint: Endpoint, request: IncomingMessage): Caller {
  const mcpSession = valuesOf(request, 'mcp-session-id')[0]
  const credential = credentialOf(request, addressOf(request, endpoint.reachable))
  return { credential, transport: 'http', ...(mcpSession !== undefined && { mcpSession }) }
}

/** The parsed body; undefined when the request was refused and answered. */
async function postBody(request: IncomingMessage, response: ServerResponse): Promise<Json | undefined> {
  const refuse = (status: number, code: number, message: string): undefined => {
    sendRpcError(response, status, { code, message })
  }
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    return refuse(415, -32600, 'Send application/json.')
  const bytes = await readBody(request, messageLimits.sizeBytesMax)
  if (bytes === undefined) return sendTooLarge(response)
  const parsed = parseStrict(bytes)
  if (!parsed.ok) return refuse(400, -32700, `Parse error: ${parsed.why}`)
  const problem = messageProblem(parsed.value, eraOf(parsed.value, valuesOf(request, 'mcp-protocol-version')[0]))
  if (!problem) return parsed.value
  sendRpcError(response, 400, problem, idOf(parsed.value))
  return undefined
}

function sendTooLarge(response: ServerResponse): undefined {
  const denied = { code: 'invalid_arguments', message: 'A message may have at most 1 MiB.' }
  const error = { code: 413001, message: denied.message, data: { denied } }
  sendRpcError(response, 413, error, null, { connection: 'close' })
}

/** The era decides who answers: the session it names, a session it opens, or nobody in particular. */
async function answer(endpoint: Endpoint, arrived: Arrived): Promise<void> {
  const { caller, who, body, response } = arrived
  if (modernVersionOf(body) !== undefined) return answerTaken(endpoint, arrived, undefined)
  if (caller.mcpSession !== undefined) {
    const held = endpoint.sessions.find(caller.mcpSession, who)
    if (held) return answerTaken(endpoint, arrived, held)
    return sendRpcError(response, 404, { code: -32001, message: 'There is no such session.' }, idOf(body))
  }
  return isInitialize(body) ? answerOpening(endpoint, arrived) : answerTaken(endpoint, arrived, undefined)
}

/** Takes the token for its sender first: for the session it is used in, where there is one. */
async function answerTaken(endpoint: Endpoint, arrived: Arrived, session: McpSession | undefined): Promise<void> {
  const identity = await take(endpoint, arrived, session)
  if (!identity.ok) return turnAway(endpoint, arrived.request, arrived.response, identity, arrived.body)
  return answerWith(endpoint, { ...arrived, ...admitted(arrived, identity) }, session)
}

/**
 * A handshake changes nothing outside, so it comes first, and the token is taken for the session it opened: one that
 * failed uses up no token. Of handshakes with one token at one time, one keeps its session.
 */
async function answerOpening(endpoint: Endpoint, arrived: Arrived): Promise<void> {
  const { who, body, request, response } = arrived
  const session = await endpoint.sessions.open(who, clientIn(body), endpoint.build())
  if (!session) return sendTooMany(response, 'Too many open sessions. End one with DELETE, or wait.', idleMsMax)
  const handed = await handOver(endpoint, arrived, session)
  if (!handed.answer.ok) {
    // A handshake that was refused opened nothing.
    await session.transport.close()
    return handed.deliver()
  }
  const identity = await take(endpoint, arrived, session)
  if (identity.ok) return handed.deliver()
  await handed.answer.body?.cancel()
  await session.transport.close()
  return turnAway(endpoint, request, response, identity, body)
}

function take({ service }: Endpoint, { caller }: Arrived, session: McpSession | undefined) {
  const { credential, transport } = caller
  return service.identify({ credential, transport, ...(session && { mcpSession: session.id }) })
}

/** From now on the caller is the one whose token was taken. */
function admitted({ caller }: Arrived, identity: Extract<Identity, { ok: true }>): Pick<Arrived, 'caller' | 'who'> {
  return { who: identity.who, caller: { ...caller, credential: provenBy(identity) } }
}

async function answerWith(endpoint: Endpoint, arrived: Arrived, session: McpSession | undefined): Promise<void> {
  const handed = await handOver(endpoint, arrived, session)
  return handed.deliver()
}

/** Passes the request to the session's transport, or to the handler that needs none; what comes back is written when told. */
async function handOver(endpoint: Endpoint, arrived: Arrived, session: McpSession | undefined) {
  const { request, response, body } = arrived
  const unanswered = Promise.withResolvers<void>()
  const exchange: Exchange = { ...exchangeFor(arrived, session), unanswered: unanswered.resolve }
  const address = addressOf(request, endpoint.reachable)
  const web = webRequest(request, response, address)
  const passed = { authInfo: authInfoOf(exchange), ...(body !== null && { parsedBody: body }) }
  const answer = await (session ? session.transport.handleRequest(web, passed) : endpoint.modern.fetch(web, passed))
  const { backlog } = endpoint
  const delivery = { exchange, body, unanswered: unanswered.promise, address, backlog }
  return { answer, deliver: () => deliver(answer, delivery, response) }
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

function clientIn(body: Json): string | undefined {
  const params = paramsOf(body)
  return clientOf(isJsonObject(params) ? params['clientInfo'] : undefined)
}

/** The protocol layer needs no token, so it gets none. */
function authInfoOf(exchange: Exchange): AuthInfo {
  return { token: '', clientId: exchange.who.actor.id, scopes: [...exchange.who.rights], extra: { exchange } }
}

/** The request as the protocol layer reads it: method, headers and a signal that fires when the client goes away. */
function webRequest(request: IncomingMessage, response: ServerResponse, address: string): Request {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const headers = new Headers()
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (name === 'authorization' || name === 'dpop') continue
    for (const value of values ?? []) headers.append(name, value)
  }
  return new Request(address, { method: request.method ?? 'GET', headers, signal: gone.signal })
}
