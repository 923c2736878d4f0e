import {
  createTraceState,
  isSpanContextValid,
  ROOT_CONTEXT,
  trace,
  type Context,
  type Link,
  type SpanContext,
} from '@opentelemetry/api'
import type { CallStart } from '../ports/observer.ts'
import type { Scrub } from './scrub.ts'

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

/** Trace context alone: baggage is neither read nor forwarded, so nothing an agent puts there travels on. */
function remoteContext({ traceparent, tracestate }: CallStart, scrub: Scrub): Context | undefined {
  const sent = remoteSpan(traceparent)
  if (sent === undefined) return undefined
  const usable = tracestate !== undefined && tracestate.length <= traceStateLengthMax
  const state = usable ? { traceState: createTraceState(scrub(tracestate)) } : {}
  return trace.setSpanContext(ROOT_CONTEXT, { ...sent, ...state })
}

function linkTo(traceparent: string | undefined): readonly Link[] {
  const sent = remoteSpan(traceparent)
  return sent === undefined ? [] : [{ context: sent }]
}

/** W3C Trace Context, section 3.2: a later version may say more, version 00 says exactly this much, ff is none. */
function remoteSpan(traceparent = ''): SpanContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(traceparent.trim()) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  const sent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
  return isSpanContextValid(sent) ? sent : undefined
}

/** The traceparent header for whoever is called from within a span. Always sampled: we always record. */
export function traceparentOf({ traceId, spanId }: SpanContext): string {
  return `00-${traceId}-${spanId}-01`
}
