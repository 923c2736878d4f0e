import { ROOT_CONTEXT, trace, type Context, type Link, type SpanContext, type TextMapGetter } from '@opentelemetry/api'
import { W3CTraceContextPropagator, parseTraceParent } from '@opentelemetry/core'
import type { CallStart } from '../ports/observer.ts'
import type { Scrub } from './scrub.ts'

/** W3C Trace Context only: baggage is neither read nor forwarded, so nothing an agent puts there travels on. */
const propagator = new W3CTraceContextPropagator()

/** A longer tracestate is ignored whole; the SDK cuts shorter ones to 32 members and 512 characters. */
const traceStateLengthMax = 8_192

/** Where a call stands among other spans: the agent's as parent, or as a link beside a fresh root. */
export interface Place {
  readonly parent: Context
  readonly links: readonly Link[]
  /** The agent's own span is the parent. */
  readonly planned: boolean
}

/**
 * The place of a call. An invalid traceparent counts as none; what an agent says about sampling is ignored.
 * With `trust: 'link'` nobody outside chooses our trace ids.
 */
export function placeOf(start: CallStart, trust: 'parent' | 'link', scrub: Scrub): Place {
  const sent = remoteContext(start, scrub)
  const ambient = linkTo(start.linkTraceparent)
  if (sent === undefined) return { parent: ROOT_CONTEXT, links: ambient, planned: false }
  if (trust === 'parent') return { parent: sent, links: ambient, planned: true }
  const spanContext = trace.getSpanContext(sent)
  return {
    parent: ROOT_CONTEXT,
    links: [...(spanContext ? [{ context: spanContext }] : []), ...ambient],
    planned: false,
  }
}

function remoteContext({ traceparent, tracestate }: CallStart, scrub: Scrub): Context | undefined {
  if (traceparent === undefined || parseTraceParent(traceparent) === null) return undefined
  const usable = tracestate !== undefined && tracestate.length <= traceStateLengthMax
  return propagator.extract(ROOT_CONTEXT, { traceparent, ...(usable && { tracestate: scrub(tracestate) }) }, getter)
}

function linkTo(traceparent: string | undefined): readonly Link[] {
  const spanContext = traceparent === undefined ? null : parseTraceParent(traceparent)
  return spanContext === null ? [] : [{ context: { ...spanContext, isRemote: true } }]
}

const getter: TextMapGetter<Readonly<Record<string, string>>> = {
  keys: (carrier) => Object.keys(carrier),
  get: (carrier, key) => carrier[key],
}

/** The traceparent header for whoever is called from within a span. Always sampled: we always record. */
export function traceparentOf({ traceId, spanId }: SpanContext): string {
  return `00-${traceId}-${spanId}-01`
}
