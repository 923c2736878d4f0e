import { defaultGuard, type Guard } from '../limits/guard.ts'
import type { OpenPart } from '../ports/observer.ts'
import { ToolRefusal, UpstreamError, type ServiceCall, type ServiceReply, type ServiceRequest } from '../ports/tool.ts'
import { attribute } from '../telemetry/names.ts'
import type { OutgoingGate, Sleep } from './outgoing-gate.ts'
import { serviceAgents, type ServiceAgents } from './service-agents.ts'
import { attempt, type Attempt } from './service-attempt.ts'
import type { TlsSource } from './tls-files.ts'

/** Where services are, what they are shown, and what stands before them. */
export interface ServiceAddresses {
  /** Base URLs: service, then region. */
  readonly services: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** The gateway's own credential for a service. A caller's token never travels on. */
  readonly credential: (service: string) => string
  /** By service; `defaultGuard` where nothing is said. */
  readonly guards?: Readonly<Record<string, Guard>>
  /** What is shown and trusted, by service; where nothing is said, TLS 1.3 and the authorities of the system. */
  readonly tls?: Readonly<Record<string, TlsSource>>
}

export interface ServiceClientOptions extends ServiceAddresses {
  /** Every attempt passes it. It outlives a reload, and what it knows of the services with it. */
  readonly gate: OutgoingGate
  /** A float in [0, 1), for jitter. */
  readonly random: () => number
  readonly nowMs: () => number
  readonly sleep: Sleep
  /** Attempts after the first. */
  readonly retriesMax?: number
  /** Longest first pause, milliseconds; doubles with each attempt up to `pauseMaxMs`. A service that asks for more is not tried again. */
  readonly pauseMs?: number
  readonly pauseMaxMs?: number
  /** Longest answer, bytes. */
  readonly answerMax?: number
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
  /** True once a switch forbids the call. Asked before each attempt, for a call may have waited long since it was allowed. */
  readonly stopped?: () => boolean
  /** Opens the `service.api.call` span. Its context is the parent of whatever the service does. */
  readonly begin?: () => OpenPart
}

export interface ServiceClient {
  (context: ServiceContext): ServiceCall
  /** The same sockets and the same gate, led elsewhere: a service whose address stays keeps its connections. */
  readonly to: (addresses: ServiceAddresses) => ServiceClient
  /** Closes idle sockets and waits for calls under way. */
  readonly close: () => Promise<void>
}

/**
 * Calls configured services over HTTP, through the gate. Reads are tried again after a pause of random length (full jitter),
 * or after the pause that the service asks for; a write only when nothing was sent. A write whose answer never came ends as
 * `outcome_unknown`. 4xx come back as replies.
 */
export function serviceClient(options: ServiceClientOptions): ServiceClient {
  const agents = serviceAgents()
  const to = (addresses: ServiceAddresses): ServiceClient => {
    const parts = { ...options, ...addresses, agents }
    const call = (context: ServiceContext, request: ServiceRequest) => {
      const guard = guardOf(parts, request.service)
      const run = (signal: AbortSignal) => tried({ ...parts, guard }, { ...context, signal }, request)
      return within(guard.timeoutMs, options.sleep, context.signal, run)
    }
    const client = (context: ServiceContext) => afterWrites((request) => traced(context, request, call))
    return Object.assign(client, { to, close: agents.close })
  }
  return to(options)
}

type Parts = ServiceClientOptions & { readonly agents: ServiceAgents; readonly guard: Guard }

function guardOf({ guards = {} }: ServiceAddresses, service: string): Guard {
  return (Object.hasOwn(guards, service) ? guards[service] : undefined) ?? defaultGuard
}

/** Once a write of this tool call was answered, a later failure cannot say that nothing was changed. */
function afterWrites(call: ServiceCall): ServiceCall {
  let wrote = false
  return async (request) => {
    try {
      const reply = await call(request)
      wrote ||= request.method !== 'GET' && reply.status < 400
      return reply
    } catch (error) {
      if (!wrote || !(error instanceof UpstreamError) || error.code !== 'upstream_unavailable') throw error
      throw new UpstreamError('outcome_unknown', error.failure, error.message)
    }
  }
}

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
): Promise<ServiceReply> {
  const { retriesMax = 2, answerMax = 4 * 1024 * 1024, agents, tls = {}, gate, guard, nowMs } = parts
  const { tenant, region, signal, stopped = () => false } = context
  const base = baseOf(parts, request.service, region)
  const credential = parts.credential(request.service)
  const target = `${request.service}/${region}`
  const own = Object.hasOwn(tls, request.service) ? tls[request.service] : undefined
  const sent = () =>
    agents.use(own, (agent) => attempt({ agent, base, credential, context, request, answerMax, signal, nowMs }))
  const send = async () => (stopped() ? heldBack() : sent())
  for (let count = 0; ; count += 1) {
    const passage = { target, address: base, guard, tenant, signal, first: count === 0 }
    const ended = await gate.pass(passage, send, ({ says }) => says)
    const again =
      count < retriesMax && !signal.aborted && !stopped() && mayRepeat(request, ended) && isSoon(parts, ended)
    if (!again || !gate.mayRetry(target) || !(await paused(parts, count, signal, ended))) return replyOf(ended)
  }
}

/** What becomes of a call that a switch stops while it waits for its turn. */
function heldBack(): Attempt {
  const error = new UpstreamError('upstream_unavailable', 'stopped', 'Nothing was sent to the service.')
  return { kind: 'failed', error, sent: false, passing: false, says: 'unsaid' }
}

function replyOf(ended: Attempt): ServiceReply {
  if (ended.kind === 'failed') throw ended.error
  return ended.reply
}

/** A read may be repeated when the fault may pass; a write only when nothing of it was sent. */
function mayRepeat({ method }: ServiceRequest, ended: Attempt): boolean {
  if (ended.kind === 'reply') return method === 'GET' && ended.reply.status === 429
  return method === 'GET' ? ended.passing : !ended.sent
}

/** Coming back before the service wants it would only add to its load. */
function isSoon({ pauseMaxMs = pauseMostMs }: Parts, { retryAfterMs = 0 }: Attempt): boolean {
  return retryAfterMs <= pauseMaxMs
}

const pauseMostMs = 2_000

/** Full jitter: anything from nothing to the current ceiling, so that many callers do not come back together. False when the time was up. */
async function paused(
  { random, sleep, pauseMs = 100, pauseMaxMs = pauseMostMs }: Parts,
  count: number,
  signal: AbortSignal,
  { retryAfterMs = 0 }: Attempt,
): Promise<boolean> {
  const ceiling = Math.min(pauseMaxMs, pauseMs * 2 ** count)
  const [slept] = await Promise.allSettled([sleep(retryAfterMs + Math.floor(random() * ceiling), signal)])
  return slept.status === 'fulfilled'
}

function baseOf({ services }: Parts, service: string, region: string): string {
  const byRegion = Object.hasOwn(services, service) ? services[service] : undefined
  const base = byRegion && Object.hasOwn(byRegion, region) ? byRegion[region] : undefined
  if (base === undefined)
    throw new ToolRefusal('region_unavailable', 'No service of this tool runs in the region the call must stay in.')
  return base.replace(/\/$/, '')
}
