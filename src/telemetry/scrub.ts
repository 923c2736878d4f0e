import type { Span, SpanProcessor } from '@opentelemetry/sdk-trace'
import { attributeNames, ownValues } from './names.ts'

/** Rewrites a text so that no personal data or secret is left in it. */
export type Scrub = (text: string) => string

/** Texts whose scrubbed form is remembered; the same few tools, actors and tenants come again and again. */
const rememberedMax = 2_048

/**
 * The first span processor: deletes attributes `names.ts` does not list and rewrites the rest, in spans, their events
 * and status messages, before any exporter sees them. A scrubber that throws costs the text, never the span.
 */
export function scrubber(scrub: Scrub): SpanProcessor {
  const clean = remembering(scrub)
  return {
    onStart() {},
    onEnding(span) {
      cleanAttributes(span.attributes, clean)
      for (const event of span.events) if (event.attributes) cleanAttributes(event.attributes, clean)
      for (const link of span.links) if (link.attributes) cleanAttributes(link.attributes, clean)
      cleanStatus(span, clean)
    },
    onEnd() {},
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  }
}

function cleanAttributes(attributes: Record<string, unknown>, clean: Scrub): void {
  for (const name of Object.keys(attributes)) {
    if (!attributeNames.has(name)) delete attributes[name]
    else if (!ownValues.has(name)) attributes[name] = cleanValue(attributes[name], clean)
  }
}

function cleanValue(value: unknown, clean: Scrub): unknown {
  if (typeof value === 'string') return clean(value)
  return Array.isArray(value) ? value.map((item: unknown) => (typeof item === 'string' ? clean(item) : item)) : value
}

/** `recordException` copies messages here; the stack stays out altogether, because `names.ts` has no name for it. */
function cleanStatus(span: Span, clean: Scrub): void {
  if (span.status.message !== undefined) span.status.message = clean(span.status.message)
}

function remembering(scrub: Scrub): Scrub {
  const known = new Map<string, string>()
  return (text) => {
    const seen = known.get(text)
    if (seen !== undefined) return seen
    const clean = attempt(scrub, text)
    if (known.size >= rememberedMax) known.clear()
    known.set(text, clean)
    return clean
  }
}

function attempt(scrub: Scrub, text: string): string {
  try {
    return scrub(text)
  } catch {
    return '[withheld]'
  }
}

/** `[email]`, `[card]`, `[token]` for what is plainly one: a floor for processes that carry no scanner of their own. */
export const maskObvious: Scrub = (text) =>
  text
    .replace(/eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '[token]')
    .replace(/\b(?:sk|pk|ghp|gho|xox[abps]|AKIA|glpat)[-_]?[\w-]{16,}/g, '[token]')
    .replace(/\b(bearer)\s+[\w.~+/=-]{8,}/gi, '$1 [token]')
    .replace(/[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}.-]{1,253}\.\p{L}{2,24}/gu, '[email]')
    .replace(/(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])/g, '[card]')
