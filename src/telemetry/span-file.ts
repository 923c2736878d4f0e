import { appendFile, readdir, rename, stat } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import { isJsonObject, type Json, type JsonObject } from '../ports/json.ts'
import { otlpDocument, otlpSpan, type OtlpSpan } from './otlp-json.ts'

/** A file is set aside at this size; with the one before it, spans never take more than twice this. */
const spanFileSizeMax = 64 * 1024 * 1024

export interface SpanFileOptions {
  /** Usually `<data>/spans.jsonl`. The file before it is `<data>/spans.1.jsonl`. */
  readonly path: string
  readonly sizeMax?: number
}

type Done = Parameters<SpanExporter['export']>[1]
type ExportResult = Parameters<Done>[0]

/** The SDK's own codes. */
const exported: ExportResult['code'] = 0
const failed: ExportResult['code'] = 1

/**
 * Exports spans to a local file: one OTLP/JSON document per line and trace. Writes one batch at a time and never blocks
 * a call; a failed write costs its batch and is reported.
 */
export function spanFileExporter({ path, sizeMax = spanFileSizeMax }: SpanFileOptions): SpanExporter {
  let last: Promise<void> = Promise.resolve()
  let sizeBytes: number | undefined
  async function write(text: string): Promise<void> {
    sizeBytes ??= await sizeOf(path)
    if (sizeBytes > 0 && sizeBytes + text.length > sizeMax) {
      await rename(path, olderOf(path))
      sizeBytes = 0
    }
    await appendFile(path, text, { mode: 0o600 })
    sizeBytes += Buffer.byteLength(text)
  }
  async function attempt(before: Promise<void>, spans: readonly ReadableSpan[]): Promise<ExportResult> {
    await before
    try {
      await write(linesOf(spans))
      return { code: exported }
    } catch (error) {
      return { code: failed, error: error instanceof Error ? error : new Error(String(error)) }
    }
  }
  async function exportOne(before: Promise<void>, spans: readonly ReadableSpan[], done: Done): Promise<void> {
    done(await attempt(before, spans))
  }
  return {
    export(spans, done) {
      last = exportOne(last, spans, done)
    },
    forceFlush: () => last,
    shutdown: () => last,
  }
}

/** Spans of these traces as one OTLP/JSON document, from every `spans*.jsonl` in a data directory; unreadable lines are skipped. */
export async function spansOfTraces(directory: string, traceIds: ReadonlySet<string>): Promise<JsonObject> {
  const found: Json[] = []
  for (const name of (await readdir(directory)).sort()) {
    if (!/^spans[\w.-]*\.jsonl$/.test(name)) continue
    const lines = createInterface({ input: createReadStream(join(directory, name)), crlfDelay: Infinity })
    for await (const line of lines) found.push(...resourceSpansIn(line, traceIds))
  }
  return { resourceSpans: found }
}

function resourceSpansIn(line: string, traceIds: ReadonlySet<string>): readonly Json[] {
  const id = /"traceId":"([0-9a-f]{32})"/.exec(line)?.[1]
  if (id === undefined || !traceIds.has(id)) return []
  try {
    const parsed: unknown = JSON.parse(line)
    const spans = isJsonObject(parsed) ? parsed['resourceSpans'] : undefined
    return Array.isArray(spans) ? (spans as readonly Json[]) : []
  } catch {
    return []
  }
}

function linesOf(spans: readonly ReadableSpan[]): string {
  const traces = new Map<string, { readonly first: ReadableSpan; readonly spans: OtlpSpan[] }>()
  for (const span of spans) {
    const { traceId } = span.spanContext()
    const trace = traces.get(traceId) ?? { first: span, spans: [] }
    trace.spans.push(otlpSpan(span))
    traces.set(traceId, trace)
  }
  return [...traces.values()].map(({ first, spans }) => `${lineOf(first, spans)}\n`).join('')
}

const lineOf = (first: ReadableSpan, spans: readonly OtlpSpan[]): string =>
  JSON.stringify(otlpDocument(first.resource.attributes, first.instrumentationScope, spans))

const olderOf = (path: string): string => path.replace(/(\.jsonl)?$/, '.1.jsonl')

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch {
    return 0
  }
}
