import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../call/authenticate.ts'
import type { Halted } from '../call/halt.ts'
import { brokenInside, surface, type Surface } from '../call/surface.ts'
import type { Anonymous } from './anonymous.ts'
import { retryAfter, sendRpcError } from './body.ts'
import { addressOf, challenge, type Reachable } from './address.ts'
import { idOf } from './message.ts'
import type { GatewayService } from './mcp.ts'
import type { Json } from '../ports/json.ts'
import { messageLimits } from './strict-json.ts'

type Refused = Extract<Identity, { ok: false }>

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
  refused: Refused,
  body: Json = null,
): Promise<void> {
  const { who, code: refusal, retryAfterMs = 1_000, error = 'invalid_token' } = refused
  // Whoever only needs a new token learns so, whatever others send.
  const challenged = () => ({ 'www-authenticate': challenge(addressOf(request, reachable), { error }) })
  const waitMs = who ? anonymous.waitMsOf(who, refusal) : anonymous.waitMs(request.socket.remoteAddress)
  if (waitMs > 0) {
    service.unrecorded?.(refusal)
    return refusal === 'rate_limited'
      ? sendTooMany(response, tooManyProofs, retryAfterMs, closing(request))
      : sendTooMany(response, tooManyAttempts, waitMs, { ...closing(request), ...challenged() })
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
  const { code, message, data } = errorOf(surface(settled.outcome, 'http'))
  const status = statuses[refusal]
  sendRpcError(response, status, { code, message, data }, idOf(body), {
    ...closing(request),
    ...(status === 401 ? challenged() : { 'retry-after': retryAfter(retryAfterMs) }),
  })
}

const tooManyAttempts = 'Too many attempts without a valid token. Wait, then show one.'
const tooManyProofs = 'Too many proofs of possession. Wait, then show a new one.'

/** Where the state does not answer, a new token would not help. */
const statuses: Readonly<Record<Refused['code'], number>> = {
  unauthenticated: 401,
  token_replayed: 401,
  rate_limited: 429,
  internal: 503,
}

/** A refused credential is an error whatever broke on the way. */
function errorOf(shown: Surface): Pick<Extract<Surface, { kind: 'error' }>, 'code' | 'message' | 'data'> {
  return shown.kind === 'error' ? shown : brokenInside
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
