import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../call/authenticate.ts'
import { surface } from '../call/surface.ts'
import type { Anonymous } from './anonymous.ts'
import { retryAfter, sendRpcError } from './body.ts'
import { challenge } from './deliver.ts'
import type { GatewayService } from './mcp.ts'
import { messageLimits } from './strict-json.ts'

export interface Door {
  readonly service: GatewayService
  readonly anonymous: Anonymous
  /** `http://host:port` of this listener. */
  readonly origin: string
}

/**
 * Answers a request without a valid credential: 401 with a challenge, and the attempt on record; beyond the limit of
 * such records 429 and none. The body is not read, so neither the tool nor the id of the request is known.
 */
export async function turnAway(
  { service, anonymous, origin }: Door,
  request: IncomingMessage,
  response: ServerResponse,
  refused: Extract<Identity, { ok: false }>,
): Promise<void> {
  const waitMs = anonymous.waitMs(request.socket.remoteAddress)
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
  const error = shown.kind === 'error' ? shown : { code: 401001, message: 'DENY unauthenticated', data: {} }
  sendRpcError(response, 401, { code: error.code, message: error.message, data: error.data }, null, {
    ...closing(request),
    'www-authenticate': challenge(origin, 'error="invalid_token"'),
  })
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
