import { randomUUID } from 'node:crypto'
import { DiagLogLevel, diag, type MeterProvider } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  TracerProvider,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'
import type { Clock } from '../ports/clock.ts'
import type { CallStart, Observer, OpenPart, OwnCall, Part } from '../ports/observer.ts'
import type { Secret } from '../ports/secret.ts'
import { callTrace } from './call-trace.ts'
import { placeOf } from './context.ts'
import type { Meters } from './metrics.ts'
import { resource } from './names.ts'
import { ownCall } from './own-call.ts'
import { maskObvious, scrubber, type Scrub } from './scrub.ts'
import { spanFileExporter } from './span-file.ts'

export interface ObserverOptions {
  readonly clock: Clock
  readonly serviceVersion: string
  readonly serviceName?: string
  readonly environment?: string
  /** OTLP/HTTP endpoint for traces, e.g. `http://127.0.0.1:4318/v1/traces`. */
  readonly otlp?: { readonly url: string; readonly headers?: Readonly<Record<string, Secret>> }
  /** Local copy of every span, as OTLP/JSON lines. */
  readonly spansFile?: string
  /** Any further exporter, e.g. one that a test reads. */
  readonly exporter?: SpanExporter
  /** Takes personal data and secrets out of a text; a small built-in mask when absent. */
  readonly scrub?: Scrub
  /** Keyed digest of a person's id, hex, for `user.id`. */
  readonly digest?: (text: string) => string
  readonly meters?: Meters
  /** Whose trace ids count: `parent` continues the agent's trace, `link` starts our own beside it. */
  readonly traceTrust?: 'parent' | 'link'
  readonly spanNaming?: 'documents' | 'semconv'
  /** Where the SDK's own complaints go: never stdout, which may carry the protocol. */
  readonly log?: (line: string) => void
  readonly queueMax?: number
}

/** An observer whose pending spans can be written out before it closes, e.g. before a bundle is made. */
export interface TelemetryObserver extends Observer {
  /** Begins the span of a service call that belongs to no agent's call. */
  ownCall(call: OwnCall): OpenPart
  flush(): Promise<void>
}

/** A hostile attribute costs at most this much. */
const spanLimits = {
  attributeValueLengthLimit: 512,
  attributeCountLimit: 64,
  eventCountLimit: 16,
  linkCountLimit: 8,
  attributePerEventCountLimit: 16,
  attributePerLinkCountLimit: 8,
}

const exportTimeoutMs = 2_000
const flushTimeoutMs = 2_000
const shutdownTimeoutMs = 1_000

/** Sees calls through OpenTelemetry. Exporters that are slow, full or gone lose spans, count them, and delay nothing. */
export function observer(options: ObserverOptions): TelemetryObserver {
  const { clock, meters, traceTrust = 'parent', spanNaming = 'documents' } = options
  const scrub = options.scrub ?? maskObvious
  listen(options.log)
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(),
    spanLimits,
    resource: resourceOf(options),
    spanProcessors: [scrubber(scrub), ...exportersOf(options)],
  })
  const tracer = provider.getTracer('sluicegate', options.serviceVersion)
  const partEnded = (part: Part, us: number): void => meters?.stage(part, us)
  return {
    begin: (start) =>
      callTrace({
        tracer,
        clock,
        start,
        place: placeOf(start, traceTrust, scrub),
        naming: spanNaming,
        partEnded,
        ended: (call: CallStart, facts, us) => meters?.call(call, facts, us),
        pseudonym: options.digest ?? (() => 'hidden'),
      }),
    ownCall: (call) => ownCall({ tracer, clock, partEnded }, call),
    flush: () => within(provider.forceFlush({ timeoutMillis: exportTimeoutMs }), flushTimeoutMs),
    close: () => within(provider.shutdown(), shutdownTimeoutMs),
  }
}

/** Only what we say ourselves: the SDK's detectors would tell of command lines, owners, paths and hosts. */
function resourceOf({ serviceName = 'sluicegate', serviceVersion, environment }: ObserverOptions) {
  return resourceFromAttributes({
    [resource.service]: serviceName,
    [resource.version]: serviceVersion,
    [resource.instance]: randomUUID(),
    ...(environment !== undefined && { [resource.environment]: environment }),
  })
}

function exportersOf({ otlp, spansFile, exporter, meters, queueMax }: ObserverOptions): SpanProcessor[] {
  const exporters: SpanExporter[] = []
  if (otlp)
    exporters.push(
      new OTLPTraceExporter({ url: otlp.url, headers: headersOf(otlp.headers), timeoutMillis: exportTimeoutMs }),
    )
  if (spansFile !== undefined) exporters.push(spanFileExporter({ path: spansFile }))
  if (exporter) exporters.push(exporter)
  return exporters.map((each) => batched(each, meters?.provider, queueMax))
}

/** Asked for with each batch. A batch whose secret is withdrawn is not sent. */
function headersOf(secrets: Readonly<Record<string, Secret>> = {}) {
  return async () => Object.fromEntries(Object.entries(secrets).map(([name, secret]) => [name, secret.current()]))
}

function batched(
  exporter: SpanExporter,
  selfObsMeterProvider: MeterProvider | undefined,
  queueMax = 4_096,
): SpanProcessor {
  return new BatchSpanProcessor({
    exporter,
    maxQueueSize: queueMax,
    maxExportBatchSize: Math.min(256, queueMax),
    scheduledDelayMillis: 1_000,
    exportTimeoutMillis: exportTimeoutMs,
    ...(selfObsMeterProvider && { selfObsMeterProvider }),
  })
}

/** Sends what the SDK has to say to one place, at most once a minute per sentence. */
function listen(log: ((line: string) => void) | undefined): void {
  const said = new Map<string, number>()
  const say = (level: string) => (message: string) => {
    const now = performance.now()
    const line = `telemetry ${level}: ${message.slice(0, 300)}`
    if (now - (said.get(line) ?? -Infinity) < 60_000) return
    if (said.size > 100) said.clear()
    said.set(line, now)
    log?.(line)
  }
  const silent = () => {}
  diag.setLogger(
    { error: say('error'), warn: say('warning'), info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}

/** Resolves when the work has ended one way or the other, or its time is up: telemetry never fails a shutdown. */
function within(work: Promise<void>, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs)
    void work
      .catch(() => {})
      .finally(() => {
        clearTimeout(timer)
        resolve()
      })
  })
}
