import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../call/authenticate.ts'
import type { Halted } from '../call/halt.ts'
import { surface } from '../call/surface.ts'
import type { Anonymous } from './anonymous.ts'
import { retryAfter, sendRpcError } from './body.ts'
import { addressOf, challenge, type Reachable } from './address.ts'
import { idOf } from './message.ts'
import type { GatewayService } from './mcp.ts'
import type { Json } from '../ports/json.ts'
import { messageLimits } from './strict-json.ts'

export interface Door {
  readonly service: GatewayService
  readonly anonymous: Anonymous
  readonly reachable: Reachable
}

/**
 * Answers a request without a valid credential: 401 with a challenge, and the attempt on record; beyond the limit of
 * such records 429 and none. Of a token that was proven, and then found to be another's, the body was read; its records
 * are counted by owner, so that nobody hides a theft behind a flood.
 */
export async function turnAway(
  { service, anonymous, reachable }: Door,
  request: IncomingMessage,
  response: ServerResponse,
  refused: Extract<Identity, { ok: false }>,
  body: Json = null,
): Promise<void> {
  const { who } = refused
  const waitMs = who ? anonymous.waitMsOf(who) : anonymous.waitMs(request.socket.remoteAddress)
  if (waitMs > 0) {
    service.unrecorded?.(refused.code)
    return sendTooMany(
      response,
      'Too many attempts without a valid token. Wait, then show one.',
      waitMs,
      closing(request),
    )
  }
  const settled = await service.call({
    credential: { kind: 'none', refused },
    transport: 'http',
    protocolVersion: '2025-11-25',
    toolName: '_OTHER',
    rawArgs: {},
    plan: {},
    signal: AbortSignal.timeout(30_000),
  })
  const shown = surface(settled.outcome, 'http')
  const { code, message, data } =
    shown.kind === 'error' ? shown : { code: 401001, message: 'DENY unauthenticated', data: {} }
  // Where the state does not answer, a new token would not help.
  const status = refused.code === 'internal' ? 503 : 401
  sendRpcError(response, status, { code, message, data }, idOf(body), {
    ...closing(request),
    ...(status === 401
      ? { 'www-authenticate': challenge(addressOf(request, reachable), { error: refused.error ?? 'invalid_token' }) }
      : { 'retry-after': retryAfter(1_000) }),
  })
}

/** 403 for what is no call, and would go on for long: a call is refused by the pipeline, and on record. */
export function sendStopped(response: ServerResponse, { code, message, retryAfterMs }: Halted): void {
  const denied = { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  sendRpcError(response, 403, { code: 403001, message: `DENY ${code}: ${message}`, data: { denied } })
}

/** 429 with `Retry-After`, for what is refused before there is a call. */
export function sendTooMany(
  response: ServerResponse,
  message: string,
  waitMs: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  const denied = { code: 'rate_limited', message, retryAfterMs: waitMs }
  const error = { code: 429001, message: `DENY rate_limited: ${message}`, data: { denied } }
  sendRpcError(response, 429, error, null, { ...headers, 'retry-after': retryAfter(waitMs) })
}

/** Node throws an unread body away as it comes, so the connection can stay; one larger than any message is not worth that. */
function closing(request: IncomingMessage): Record<string, string> {
  return Number(request.headers['content-length'] ?? 0) > messageLimits.sizeBytesMax ? { connection: 'close' } : {}
}
