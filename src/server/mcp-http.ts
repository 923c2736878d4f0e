import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream/promises'
import { proofAddressOf } from './address.ts'
import { provenBy, take } from './admission.ts'
import { sendRpcError } from './body.ts'
import { credentialOf } from './credential.ts'
import { handOver, type Arrived, type Caller, type Endpoint } from './hand-over.ts'
import { valuesOf } from './host-guard.ts'
import { idOf, isInitialize, modernVersionOf } from './message.ts'
import { messageIn } from './message-body.ts'
import { answerOpening } from './opening.ts'
import type { McpSession } from './sessions.ts'
import { sendStopped, turnAway } from './turn-away.ts'

const methods = ['GET', 'POST', 'DELETE']

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
  const body = request.method === 'POST' ? await messageIn(request, response) : null
  if (body === undefined) return
  const proven: Caller = { ...caller, credential: provenBy(identity) }
  return answer(endpoint, { request, response, caller: proven, who: identity.who, body })
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
  const credential = credentialOf(request, proofAddressOf(request, endpoint.reachable))
  return { credential, transport: 'http', ...(mcpSession !== undefined && { mcpSession }) }
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

/** From the moment its token was taken, a caller is whom that proves, and its session is in use. */
async function answerTaken(endpoint: Endpoint, arrived: Arrived, session: McpSession | undefined): Promise<void> {
  const { request, response, caller, body } = arrived
  const identity = await take(endpoint, arrived, session)
  if (!identity.ok) return turnAway(endpoint, request, response, identity, body)
  const { who } = identity
  const halted = request.method === 'GET' ? endpoint.service.stopped(who) : undefined
  if (halted) return sendStopped(response, halted)
  if (session) endpoint.sessions.touch(session)
  const taken = { ...arrived, who, caller: { ...caller, credential: provenBy(identity) } }
  const handed = await handOver(endpoint, taken, session)
  return handed.deliver()
}
