import { setTimeout as wait } from 'node:timers/promises'
import { Agent } from 'undici'
import type { OpenPart } from '../ports/observer.ts'
import { ToolRefusal, UpstreamError, type ServiceCall, type ServiceReply, type ServiceRequest } from '../ports/tool.ts'
import { attribute } from '../telemetry/names.ts'
import { attempt, type Attempt } from './service-attempt.ts'

/** Where services are, and what they are shown. */
export interface ServiceAddresses {
  /** Base URLs: service, then region. */
  readonly services: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** The gateway's own credential for a service. A caller's token never travels on. */
  readonly credential: (service: string) => string
}

export interface ServiceClientOptions extends ServiceAddresses {
  /** A float in [0, 1), for jitter. */
  readonly random: () => number
  /** Resolves after so many milliseconds; rejects when aborted. A real timer by default. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
  /** Longest a call may take with all its attempts, milliseconds. */
  readonly timeoutMs?: number
  /** Attempts after the first. */
  readonly retriesMax?: number
  /** Longest first pause, milliseconds; doubles with each attempt up to `pauseMaxMs`. */
  readonly pauseMs?: number
  readonly pauseMaxMs?: number
  /** Longest answer, bytes. */
  readonly answerMax?: number
  /** Sockets per service and region. */
  readonly socketsMax?: number
}

/** What one tool call brings along. */
export interface ServiceContext {
  readonly tenant: string
  /** Region the call was routed to. */
  readonly region: string
  /** Sent with writes; services dedupe on it. */
  readonly operationId?: string
  readonly tracestate?: string
  readonly signal: AbortSignal
  /** Opens the `service.api.call` span. Its context is the parent of whatever the service does. */
  readonly begin?: () => OpenPart
}

export interface ServiceClient {
  (context: ServiceContext): ServiceCall
  /** The same sockets, led elsewhere: a service whose address stays keeps its connections. */
  readonly to: (addresses: ServiceAddresses) => ServiceClient
  /** Closes idle sockets and waits for calls under way. */
  readonly close: () => Promise<void>
}

/**
 * Calls configured services over HTTP. Reads are tried again after a pause of random length (full jitter); a write only
 * when nothing was sent. A write whose answer never came ends as `outcome_unknown`. 4xx come back as replies.
 */
export function serviceClient(options: ServiceClientOptions): ServiceClient {
  const { timeoutMs = 10_000, socketsMax = 32 } = options
  const { sleep = async (ms, signal) => wait(ms, undefined, { signal }) } = options
  const agent = new Agent({
    connections: socketsMax,
    connect: { timeout: timeoutMs },
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  const to = ({ services, credential }: ServiceAddresses): ServiceClient => {
    const parts = { ...options, services, credential, sleep, agent }
    const call = (context: ServiceContext, request: ServiceRequest) =>
      within(timeoutMs, sleep, context.signal, (signal) => tried(parts, context, request, signal))
    const client = (context: ServiceContext) => (request: ServiceRequest) => traced(context, request, call)
    return Object.assign(client, { to, close: () => agent.close() })
  }
  return to(options)
}

type Sleep = NonNullable<ServiceClientOptions['sleep']>
type Parts = ServiceClientOptions & { readonly sleep: Sleep; readonly agent: Agent }

async function traced(
  context: ServiceContext,
  request: ServiceRequest,
  call: (context: ServiceContext & { traceparent?: string }, request: ServiceRequest) => Promise<ServiceReply>,
): Promise<ServiceReply> {
  const part = context.begin?.()
  const facts: Record<string, string | number> = { [attribute.httpMethod]: request.method }
  try {
    const reply = await call({ ...context, ...(part && { traceparent: part.traceparent }) }, request)
    facts[attribute.httpStatus] = reply.status
    return reply
  } catch (error) {
    facts[attribute.errorType] = error instanceof UpstreamError ? error.failure : 'failed'
    throw error
  } finally {
    part?.end(facts)
  }
}

/** Runs under the caller's signal and a deadline, whichever comes first, and leaves no timer behind. */
async function within<T>(
  timeoutMs: number,
  sleep: Sleep,
  caller: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController()
  const late = new AbortController()
  const expire = () => late.abort(new DOMException('the service took too long', 'TimeoutError'))
  void sleep(timeoutMs, done.signal).then(expire, () => {})
  try {
    return await run(AbortSignal.any([caller, late.signal]))
  } finally {
    done.abort()
  }
}

async function tried(
  parts: Parts,
  context: ServiceContext & { readonly traceparent?: string },
  request: ServiceRequest,
  signal: AbortSignal,
): Promise<ServiceReply> {
  const { retriesMax = 2, answerMax = 4 * 1024 * 1024, agent } = parts
  const base = baseOf(parts, request.service, context.region)
  const credential = parts.credential(request.service)
  for (let count = 0; ; count += 1) {
    const ended = await attempt({ agent, base, credential, context, request, answerMax, signal })
    if (ended.kind === 'reply') return ended.reply
    if (count >= retriesMax || signal.aborted || !mayRepeat(request, ended)) throw ended.error
    await pause(parts, count, signal, ended.error)
  }
}

/** A read may be repeated when the fault may pass; a write only when nothing of it was sent. */
function mayRepeat({ method }: ServiceRequest, ended: Extract<Attempt, { kind: 'failed' }>): boolean {
  return method === 'GET' ? ended.passing : !ended.sent
}

/** Full jitter: anything from nothing to the current ceiling, so that many callers do not come back together. */
async function pause(
  { random, sleep, pauseMs = 100, pauseMaxMs = 2000 }: Parts,
  count: number,
  signal: AbortSignal,
  error: Error,
) {
  const ceiling = Math.min(pauseMaxMs, pauseMs * 2 ** count)
  const [slept] = await Promise.allSettled([sleep(Math.floor(random() * ceiling), signal)])
  if (slept.status === 'rejected') throw error
}

function baseOf({ services }: Parts, service: string, region: string): string {
  const byRegion = Object.hasOwn(services, service) ? services[service] : undefined
  const base = byRegion && Object.hasOwn(byRegion, region) ? byRegion[region] : undefined
  if (base === undefined)
    throw new ToolRefusal('region_unavailable', 'No service of this tool runs in the region the call must stay in.')
  return base.replace(/\/$/, '')
}
