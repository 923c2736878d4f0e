import { randomBytes } from 'node:crypto'
import { appendFile } from 'node:fs/promises'
import { SpanKind, trace, type Span } from '@opentelemetry/api'
import type { JsonObject } from './ports/json.ts'
import { attribute, event, resource, span as spanName } from './telemetry/names.ts'
import { otlpAttributes, otlpDocument } from './telemetry/otlp-json.ts'

/** Where the plan rides in a request's `_meta`. */
export const planKey = 'io.sluicegate/plan'

export interface PlanOptions {
  /** The agent's own name for this plan. A claim: the gateway records it and never trusts it. */
  readonly id: string
  readonly goal?: string
  /** Who the agent is, as its token says; only described here, never believed by the gateway. */
  readonly actor?: string
  readonly tenant?: string
  readonly scopes?: readonly string[]
  /** OTLP/HTTP endpoint that receives the plan's span when it ends, e.g. `http://127.0.0.1:4318/v1/traces`. */
  readonly otlpUrl?: string
  /** File that the plan's span is appended to when it ends, as a line of OTLP/JSON. */
  readonly spansFile?: string
}

/** What an MCP request carries in `params._meta` so that the gateway's spans hang below the plan's. */
export interface PlanMeta {
  readonly [key: string]: unknown
  readonly traceparent: string
  readonly 'io.sluicegate/plan': {
    readonly id: string
    readonly step: number
    readonly depth: number
    readonly retry: number
  }
}

/** One step of a plan: which call it is, how deep, and which attempt. */
export interface Step {
  readonly step: number
  readonly depth?: number
  readonly retry?: number
}

/** What became of a plan, as the agent saw it. */
export interface PlanEnd {
  readonly tool?: string
  readonly decision?: 'allow' | 'deny' | 'redact'
  readonly piiCount?: number
  /** A digest of the idempotency key; never the key itself. */
  readonly idemKeyDigest?: string
  readonly budgetUsedUsd?: number
  readonly budgetLimitUsd?: number
}

/** An agent's planning step that is under way. */
export interface Plan {
  readonly traceId: string
  readonly spanId: string
  /** `_meta` for the next tool call: `callTool({ name, arguments, _meta: plan.meta({ step: 1 }) })`. */
  meta(step: Step): PlanMeta
  /** Ends `agent.plan` and sends it where the options say. Never throws; a collector that is away costs the span. */
  end(seen?: PlanEnd): Promise<void>
}

/**
 * Opens `agent.plan`. Where the process has OpenTelemetry set up, the span is one of its own; where it has not, the plan
 * makes its own ids, and the trace still holds together. Works with any MCP client, for it only makes `_meta`.
 */
export function startPlan(options: PlanOptions): Plan {
  const started = process.hrtime.bigint()
  const startMs = Date.now()
  const live = liveSpan(options)
  const ids = live?.spanContext() ?? { traceId: randomHex(16), spanId: randomHex(8) }
  let steps = 0
  return {
    traceId: ids.traceId,
    spanId: ids.spanId,
    meta({ step, depth = 0, retry = 0 }) {
      steps++
      live?.addEvent(event.step, {
        [attribute.planStep]: step,
        [attribute.planDepth]: depth,
        [attribute.planRetry]: retry,
      })
      return {
        traceparent: `00-${ids.traceId}-${ids.spanId}-01`,
        [planKey]: { id: options.id, step, depth, retry, ...(options.goal !== undefined && { goal: options.goal }) },
      }
    },
    async end(seen = {}) {
      const attributes = { ...describe(options), ...outcomeOf(seen), [attribute.planSteps]: steps }
      if (live) live.setAttributes(attributes).end()
      else await send(options, spanOf(ids, startMs, process.hrtime.bigint() - started, attributes))
    },
  }
}

/** A span of the process's own tracer, or undefined where nobody registered one. */
function liveSpan(options: PlanOptions): Span | undefined {
  const span = trace
    .getTracer('sluicegate-client')
    .startSpan(spanName.plan, { kind: SpanKind.INTERNAL, attributes: describe(options) })
  return span.isRecording() ? span : undefined
}

/** The goal stays out: it is the user's words. */
function describe({ id, actor, tenant, scopes }: PlanOptions): Record<string, string | string[] | number | boolean> {
  return {
    [attribute.genAiOperation]: 'plan',
    [attribute.planId]: id,
    [attribute.planSynthetic]: false,
    [attribute.actorType]: 'agent',
    [attribute.actorId]: actor ?? 'anonymous',
    [attribute.tenant]: tenant ?? '',
    ...(actor !== undefined && { [attribute.agentId]: actor }),
    [attribute.grants]: [...(scopes ?? [])],
  }
}

/** The same names as on the gateway's spans, always there: an empty text is none, a limit of -1 is none. */
function outcomeOf(seen: PlanEnd): Record<string, string | number> {
  return {
    [attribute.tool]: seen.tool ?? '',
    [attribute.decision]: seen.decision ?? 'allow',
    [attribute.piiCount]: seen.piiCount ?? 0,
    [attribute.idemKey]: seen.idemKeyDigest ?? '',
    [attribute.budgetUsed]: seen.budgetUsedUsd ?? 0,
    [attribute.budgetLimit]: seen.budgetLimitUsd ?? -1,
  }
}

function spanOf(
  ids: { readonly traceId: string; readonly spanId: string },
  startMs: number,
  durationNs: bigint,
  attributes: Readonly<Record<string, unknown>>,
): JsonObject {
  const startNs = BigInt(startMs) * 1_000_000n
  const span = {
    traceId: ids.traceId,
    spanId: ids.spanId,
    name: spanName.plan,
    kind: SpanKind.INTERNAL + 1,
    startTimeUnixNano: String(startNs),
    endTimeUnixNano: String(startNs + durationNs),
    attributes: otlpAttributes(attributes),
    status: { code: 0 },
  }
  return otlpDocument({ [resource.service]: 'agent' }, { name: 'sluicegate-client' }, [span])
}

const sendTimeoutMs = 2_000

async function send({ otlpUrl, spansFile }: PlanOptions, document: JsonObject): Promise<void> {
  const body = JSON.stringify(document)
  const headers = { 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(sendTimeoutMs)
  await Promise.allSettled([
    ...(spansFile === undefined ? [] : [appendFile(spansFile, `${body}\n`, { mode: 0o600 })]),
    ...(otlpUrl === undefined ? [] : [fetch(otlpUrl, { method: 'POST', headers, body, signal })]),
  ])
}

/** W3C ids must not be all zeros; 64 random bits are not. */
const randomHex = (sizeBytes: number): string => randomBytes(sizeBytes).toString('hex')
