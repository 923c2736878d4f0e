import type { ServerResponse } from 'node:http'
import type { Json } from '../ports/json.ts'
import { challenge } from './address.ts'
import type { Backlog } from './backlog.ts'
import { always } from './answer-headers.ts'
import { retryAfter, sendRpcError } from './body.ts'
import type { Exchange } from './mcp.ts'
import { idOf, methodOf } from './message.ts'

/** One request's exchange, and how to write what came of it. */
export interface Delivery {
  readonly exchange: Exchange
  readonly body: Json
  /** Resolves when nothing more will come, though the answer has not ended. */
  readonly unanswered: Promise<void>
  /** Where the answer waits for its reader. */
  readonly backlog: Backlog
  /** Where `/mcp` is for this client. */
  readonly address: string
}

/**
 * Writes the protocol layer's answer. A refusal with a status of its own is known by the time the first bytes of the
 * answer are, and takes its place, whether the answer would have been JSON or a stream.
 */
export async function deliver(answer: Response, delivery: Delivery, response: ServerResponse): Promise<void> {
  const { exchange, body, unanswered, address, backlog } = delivery
  const reader = answer.body?.getReader()
  const stop = () => void reader?.cancel().catch(() => undefined)
  // A stream whose reader is gone would count as open, and the client could not open another.
  response.once('close', stop)
  void unanswered.then(stop)
  const isCall = methodOf(body) === 'tools/call'
  const first = isCall ? await reader?.read() : undefined
  if (exchange.refused) {
    stop()
    return sendRefused(exchange.refused, body, address, response)
  }
  response.writeHead(answer.status, headersOf(answer))
  if (!isCall) response.flushHeaders()
  for (let next = first ?? (await reader?.read()); next && !next.done; next = await reader?.read()) {
    await backlog.pour(response, next.value)
  }
  response.end()
}

/** Whether the connection stays open, and who may keep or show the answer, is this edge's to say, not the protocol layer's. */
function headersOf(answer: Response): Record<string, string> {
  const { connection: _connection, ...headers } = Object.fromEntries(answer.headers)
  const isStream = headers['content-type']?.startsWith('text/event-stream') ?? false
  return { ...headers, ...always, ...(isStream && { 'cache-control': 'no-store, no-transform' }) }
}

function sendRefused(
  refused: NonNullable<Exchange['refused']>,
  body: Json,
  address: string,
  response: ServerResponse,
): void {
  const { status, code, message, data, retryAfterMs } = refused
  const scopes = (data['denied'] as { elevate?: { scopes?: readonly string[] } } | undefined)?.elevate?.scopes ?? []
  const lacking = { error: 'insufficient_scope', scope: scopes.join(' ') } as const
  const challenged = challenge(address, status === 403 ? lacking : { error: 'invalid_token' })
  sendRpcError(response, status ?? 500, { code, message, data }, idOf(body), {
    ...((status === 401 || status === 403) && { 'www-authenticate': challenged }),
    ...(retryAfterMs !== undefined && { 'retry-after': retryAfter(retryAfterMs) }),
  })
}
