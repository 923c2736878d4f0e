import type { HrTime, Link, TraceState } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type { Json, JsonObject } from '../ports/json.ts'

/** One span as OTLP/JSON spells it (opentelemetry-proto, trace v1): hex ids, nanoseconds as decimal text. */
export interface OtlpSpan extends JsonObject {
  readonly traceId: string
  readonly spanId: string
  readonly name: string
}

/** Attributes as OTLP/JSON key-value pairs. Values of other types than text, number, boolean and lists of them are left out. */
export function otlpAttributes(attributes: Readonly<Record<string, unknown>>): JsonObject[] {
  const pairs: JsonObject[] = []
  for (const key of Object.keys(attributes)) {
    const value = otlpValue(attributes[key])
    if (value !== undefined) pairs.push({ key, value })
  }
  return pairs
}

function otlpValue(value: unknown): JsonObject | undefined {
  switch (typeof value) {
    case 'string':
      return { stringValue: value }
    case 'boolean':
      return { boolValue: value }
    case 'number':
      return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
    default:
      return Array.isArray(value) ? otlpList(value) : undefined
  }
}

function otlpList(values: readonly unknown[]): JsonObject {
  return { arrayValue: { values: values.map(otlpValue).filter((value) => value !== undefined) } }
}

/** A finished span of the SDK as OTLP/JSON. */
export function otlpSpan(span: ReadableSpan): OtlpSpan {
  const { traceId, spanId, traceState } = span.spanContext()
  return {
    traceId,
    spanId,
    ...(span.parentSpanContext && { parentSpanId: span.parentSpanContext.spanId }),
    ...stateOf(traceState),
    name: span.name,
    kind: span.kind + 1,
    startTimeUnixNano: nanos(span.startTime),
    endTimeUnixNano: nanos(span.endTime),
    attributes: otlpAttributes(span.attributes),
    ...(span.events.length > 0 && { events: span.events.map(eventOf) }),
    ...(span.links.length > 0 && { links: span.links.map(linkOf) }),
    status: statusOf(span),
  }
}

/** Spans of one process as an OTLP/JSON export request, which is also one line of the collector's file exporter. */
export function otlpDocument(
  resource: Readonly<Record<string, unknown>>,
  scope: { readonly name: string; readonly version?: string | undefined },
  spans: readonly OtlpSpan[],
): JsonObject {
  const { name, version } = scope
  return {
    resourceSpans: [
      {
        resource: { attributes: otlpAttributes(resource) },
        scopeSpans: [{ scope: { name, ...(version !== undefined && { version }) }, spans }],
      },
    ],
  }
}

function statusOf({ status }: ReadableSpan): Json {
  return { code: status.code, ...(status.message !== undefined && { message: status.message }) }
}

function eventOf(event: ReadableSpan['events'][number]): Json {
  return { name: event.name, timeUnixNano: nanos(event.time), attributes: otlpAttributes(event.attributes ?? {}) }
}

function linkOf({ context, attributes }: Link): Json {
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    ...stateOf(context.traceState),
    attributes: otlpAttributes(attributes ?? {}),
  }
}

function stateOf(state: TraceState | undefined): JsonObject {
  const text = state?.serialize() ?? ''
  return text === '' ? {} : { traceState: text }
}

function nanos([seconds, rest]: HrTime): string {
  return `${seconds}${String(Math.trunc(rest)).padStart(9, '0')}`
}
