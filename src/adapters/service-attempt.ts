import { request as send, type Agent, type Dispatcher } from 'undici'
import type { Ending } from '../limits/breaker.ts'
import type { Json } from '../ports/json.ts'
import { UpstreamError, type ServiceReply, type ServiceRequest } from '../ports/tool.ts'
import { messageLimits, parseStrict, type JsonLimits } from '../server/strict-json.ts'
import { boundedBody } from './bounded-body.ts'
import { endOf } from './outgoing-gate.ts'
import { retryAfterOf } from './retry-after.ts'

/** How one attempt ended, and what that says of the service's health. */
export type Attempt = {
  readonly says: Ending
  /** How long the service asks to be left alone, milliseconds. */
  readonly retryAfterMs?: number
} & (
  | { readonly kind: 'reply'; readonly reply: ServiceReply }
  | {
      readonly kind: 'failed'
      readonly error: UpstreamError
      /** Something may have reached the service. */
      readonly sent: boolean
      /** The fault may be gone in a moment. */
      readonly passing: boolean
    }
)

export interface AttemptParts {
  readonly agent: Agent
  readonly base: string
  readonly credential: string
  readonly context: {
    readonly tenant: string
    readonly operationId?: string
    readonly traceparent?: string
    readonly tracestate?: string
  }
  readonly request: ServiceRequest
  readonly answerMax: number
  readonly signal: AbortSignal
  /** The wall clock: a service may name a date to come back on. */
  readonly nowMs: () => number
}

/** Sends one request and reads its answer. Follows no redirect. Never throws for what the service or network does. */
export async function attempt(parts: AttemptParts): Promise<Attempt> {
  const { base, request, agent, signal } = parts
  if (signal.aborted) return never(signal)
  const query = request.query ? `?${new URLSearchParams(request.query).toString()}` : ''
  try {
    const response = await send(`${base}${request.path}${query}`, {
      dispatcher: agent,
      method: request.method,
      headers: headersOf(parts),
      signal,
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
    })
    return await judged(parts, response)
  } catch (error) {
    return broken(request, error, signal)
  }
}

function headersOf({ context, request, credential }: AttemptParts): Readonly<Record<string, string>> {
  const { tenant, operationId, traceparent, tracestate } = context
  return {
    authorization: `Bearer ${credential}`,
    'x-tenant': tenant,
    accept: 'application/json',
    'accept-encoding': 'identity',
    ...(request.body !== undefined && { 'content-type': 'application/json' }),
    ...(request.method !== 'GET' && operationId !== undefined && { 'idempotency-key': operationId }),
    ...(traceparent !== undefined && { traceparent }),
    ...(traceparent !== undefined && tracestate !== undefined && { tracestate }),
  }
}

async function judged(parts: AttemptParts, response: Dispatcher.ResponseData): Promise<Attempt> {
  const { request, answerMax } = parts
  const { statusCode: status } = response
  const wait = retryAfterOf(response.headers['retry-after'], parts.nowMs())
  if (status >= 500) {
    await response.body.dump({ limit: 16_384 })
    return failedStatus(request, status, wait)
  }
  if (status >= 300 && status < 400) {
    await response.body.dump({ limit: 16_384 })
    return failed(request, `http_${status}`)
  }
  const bytes = await boundedBody(response.body, answerMax)
  if (bytes === undefined) return failed(request, 'answer_too_large')
  const body = parsed(bytes, answerMax)
  if (body === undefined && status < 400) return failed(request, 'not_json')
  return { kind: 'reply', says: 'ok', reply: { status, body: body ?? null, ...wait }, ...wait }
}

/** 503 is a promise that nothing was done; any other 5xx leaves a write's outcome open. */
function failedStatus({ method }: ServiceRequest, status: number, wait: { readonly retryAfterMs?: number }): Attempt {
  const failure = `http_${status}`
  const passing = status === 502 || status === 503 || status === 504
  const code = status === 503 ? 'upstream_unavailable' : method === 'GET' ? 'upstream_failed' : 'outcome_unknown'
  const error = new UpstreamError(code, failure, sentence, wait.retryAfterMs)
  return { kind: 'failed', says: 'failed', error, sent: true, passing, ...wait }
}

/** The service answered, but not in a way it may. It is there, though: what is wrong is this answer. */
function failed({ method }: ServiceRequest, failure: string): Attempt {
  const code = method === 'GET' ? 'upstream_failed' : 'outcome_unknown'
  return {
    kind: 'failed',
    says: 'ok',
    error: new UpstreamError(code, failure, sentence),
    sent: true,
    passing: false,
  }
}

/** Failures before a connection stood: nothing can have been sent. */
const unsent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** The service could not prove who it is, so it was told nothing. */
const distrusted =
  /^(CERT_|ERR_TLS_CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|INVALID_CA|HOSTNAME_MISMATCH)/

function broken({ method }: ServiceRequest, error: unknown, signal: AbortSignal): Attempt {
  const failure = signal.aborted ? endOf(signal) : codeOf(error)
  const sent = !unsent.has(failure) && !distrusted.test(failure)
  const code = method !== 'GET' && sent ? 'outcome_unknown' : 'upstream_unavailable'
  return {
    kind: 'failed',
    says: failure === 'aborted' ? 'unsaid' : 'failed',
    error: new UpstreamError(code, failure, sentence),
    sent,
    passing: !signal.aborted,
  }
}

/** The caller was gone before anything was sent. */
function never(signal: AbortSignal): Attempt {
  const error = new UpstreamError('upstream_unavailable', endOf(signal), sentence)
  return { kind: 'failed', says: 'unsaid', error, sent: false, passing: false }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  return 'code' in error ? String(error.code) : error.name
}

const sentence = 'The service did not answer properly.'

/** Bigger than what agents may send, and as strict: what two readers could read differently is no answer. */
const answerLimits: JsonLimits = {
  ...messageLimits,
  keysMax: 10_000,
  stringBytesMax: 1024 * 1024,
  itemsMax: 100_000,
}

function parsed(bytes: Uint8Array, sizeBytesMax: number): Json | undefined {
  if (bytes.byteLength === 0) return null
  const read = parseStrict(bytes, { ...answerLimits, sizeBytesMax })
  return read.ok ? read.value : undefined
}
