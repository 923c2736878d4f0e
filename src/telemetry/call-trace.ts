import {
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes as OtelAttributes,
  type Context,
  type HrTime,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import type { Attributes, CallFacts, CallStart, CallTrace, OpenPart, Part } from '../ports/observer.ts'
import type { Clock } from '../ports/clock.ts'
import { common, endingOf, invokeStart, partEnd, partFacts, partStart, planStart, spanOfPart } from './attributes.ts'
import { traceparentOf, type Place } from './context.ts'
import { attribute, event, span as spanName } from './names.ts'

/** Service calls of one tool call that become spans; a tool that makes more is still timed. */
const spansMax = 32

export interface CallTraceParts {
  readonly tracer: Tracer
  readonly clock: Clock
  readonly start: CallStart
  readonly place: Place
  readonly naming: 'documents' | 'semconv'
  readonly partEnded: (part: Part, us: number) => void
  readonly ended: (start: CallStart, facts: CallFacts, us: number) => void
  /** Pseudonym of a person, for `user.id`. */
  readonly pseudonym: (subject: string) => string
}

/** A span that has begun. It ends with the call, at the time its part ended: by then every attribute is known. */
interface Live {
  readonly span: Span
  readonly part?: Part
  endNs?: bigint
}

/** Opens spans at monotonic times and remembers them. */
interface Opener {
  readonly live: Live[]
  at(ns: bigint): HrTime
  open(name: string, kind: SpanKind, context: Context, ns: bigint, attributes: OtelAttributes, part?: Part): Live
}

/**
 * The spans of one call. All times come from one reading of the wall clock and the monotonic time since, so durations
 * are true and children lie within their parents whatever the wall clock does.
 */
export function callTrace(parts: CallTraceParts): CallTrace {
  const { clock, start, place } = parts
  const beganNs = clock.monoNs()
  const spans = opener(parts, clock.nowMs(), beganNs)
  const plan = place.planned
    ? undefined
    : spans.open(spanName.plan, SpanKind.INTERNAL, place.parent, beganNs, planStart(start)).span
  const above = plan ? trace.setSpan(place.parent, plan) : place.parent
  const invoke = spans.open(spanName.invoke, SpanKind.SERVER, above, beganNs, invokeStart(start)).span
  let over = false
  return {
    ...idsOf(invoke, above),
    planned: place.planned,
    begin: (part) => beginPart(parts, spans, part, trace.setSpan(above, invoke), invoke),
    event(name, attributes = {}) {
      const target = spans.live.findLast(({ part, endNs }) => part !== undefined && endNs === undefined)?.span ?? invoke
      target.addEvent(eventName(name), partEnd(attributes), spans.at(clock.monoNs()))
    },
    end(facts) {
      if (over) return
      over = true
      const endNs = clock.monoNs()
      finishInvoke(invoke, parts, facts)
      plan?.setAttribute(attribute.agentId, facts.actorId ?? 'anonymous')
      endAll(spans.live, common(start, facts), facts, (ns) => spans.at(ns ?? endNs))
      parts.ended(start, facts, Number((endNs - beganNs) / 1000n))
    },
  }
}

function opener({ tracer, place }: CallTraceParts, wallMs: number, beganNs: bigint): Opener {
  const live: Live[] = []
  const at = (ns: bigint): HrTime => hrTime(wallMs, ns - beganNs)
  return {
    live,
    at,
    open(name, kind, context, ns, attributes, part) {
      const links = kind === SpanKind.SERVER ? [...place.links] : []
      const span = tracer.startSpan(name, { kind, attributes, links, startTime: at(ns) }, context)
      const entry: Live = { span, ...(part && { part }) }
      live.push(entry)
      return entry
    },
  }
}

function beginPart(
  { clock, partEnded }: CallTraceParts,
  spans: Opener,
  part: Part,
  within: Context,
  invoke: Span,
): OpenPart {
  const beganNs = clock.monoNs()
  const name = spans.live.length < spansMax ? spanOfPart[part] : undefined
  const kind = part === 'service' ? SpanKind.CLIENT : SpanKind.INTERNAL
  const entry = name === undefined ? undefined : spans.open(name, kind, within, beganNs, partStart(part), part)
  return {
    traceparent: traceparentOf((entry?.span ?? invoke).spanContext()),
    end(attributes) {
      const endNs = clock.monoNs()
      if (entry && entry.endNs === undefined) endPart(entry, endNs, attributes)
      const us = Number((endNs - beganNs) / 1000n)
      partEnded(part, us)
      return us
    },
  }
}

function endPart(entry: Live, endNs: bigint, attributes: Attributes | undefined): void {
  entry.endNs = endNs
  if (attributes === undefined) return
  const own = partEnd(attributes)
  entry.span.setAttributes(own)
  if (attribute.errorType in own) entry.span.setStatus({ code: SpanStatusCode.ERROR })
}

function finishInvoke(invoke: Span, { start, naming, pseudonym }: CallTraceParts, facts: CallFacts): void {
  const { attributes, status } = endingOf(facts)
  invoke.setAttributes(attributes).setStatus(status)
  if (facts.actorType === 'user' && facts.actorId !== undefined)
    invoke.setAttribute(attribute.user, pseudonym(facts.actorId))
  if (naming === 'semconv')
    invoke.updateName(`tools/call ${start.tool}`).setAttribute(attribute.gatewayStage, spanName.invoke)
}

/** Children first, so that whoever exports in order of ending sees the usual order. */
function endAll(
  live: readonly Live[],
  shared: OtelAttributes,
  facts: CallFacts,
  at: (ns: bigint | undefined) => HrTime,
): void {
  for (const { span, part, endNs } of live.toReversed()) {
    if (part) span.setAttributes(partFacts(part, facts))
    span.setAttributes(shared)
    span.end(at(endNs))
  }
}

function idsOf(invoke: Span, above: Context): Pick<CallTrace, 'traceId' | 'spanId' | 'parentSpanId'> {
  const { traceId, spanId } = invoke.spanContext()
  const parent = trace.getSpanContext(above)
  return { traceId, spanId, ...(parent && { parentSpanId: parent.spanId }) }
}

/** Names of events are ours; one that is not shaped like a name becomes `event`. */
const eventName = (name: string): string => (/^[a-z][a-z0-9_.]{0,63}$/.test(name) ? name : event.other)

function hrTime(wallMs: number, sinceNs: bigint): HrTime {
  const nanos = (wallMs % 1000) * 1_000_000 + Number(sinceNs)
  return [Math.trunc(wallMs / 1000) + Math.floor(nanos / 1e9), nanos % 1e9]
}
