import { SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import type { Clock } from '../ports/clock.ts'
import type { OpenPart, OwnCall, Part } from '../ports/observer.ts'
import { common, partEnd } from './attributes.ts'
import { placeOf, traceparentOf } from './context.ts'
import { attribute, span as spanName } from './names.ts'

export interface OwnCallParts {
  readonly tracer: Tracer
  readonly clock: Clock
  readonly partEnded: (part: Part, us: number) => void
}

/**
 * The span of one service call that the gateway makes on its own account. It stands in the trace of whatever made it necessary,
 * and carries what every span carries. Ending it twice changes nothing.
 */
export function ownCall({ tracer, clock, partEnded }: OwnCallParts, call: OwnCall): OpenPart {
  const start = { tool: call.tool, transport: 'http', protocolVersion: '', ...parentOf(call) } as const
  const [beganMs, beganNs] = [clock.nowMs(), clock.monoNs()]
  const { parent } = placeOf(start, 'parent', () => '')
  const span = tracer.startSpan(spanName.service, { kind: SpanKind.CLIENT, startTime: beganMs }, parent)
  let tookUs: number | undefined
  return {
    traceparent: traceparentOf(span.spanContext()),
    end(attributes = {}) {
      if (tookUs !== undefined) return tookUs
      tookUs = Number((clock.monoNs() - beganNs) / 1000n)
      const own = partEnd(attributes)
      const failed = attribute.errorType in own
      span.setAttributes({ ...own, ...common(start, factsOf(call, failed)) })
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end(beganMs + tookUs / 1000)
      partEnded('service', tookUs)
      return tookUs
    },
  }
}

const parentOf = ({ traceparent }: OwnCall) => (traceparent === undefined ? {} : { traceparent })

function factsOf({ actor, tenant, operationId }: OwnCall, failed: boolean) {
  return {
    actorId: actor,
    actorType: 'service',
    tenant,
    grants: [],
    decision: 'allow',
    piiCount: 0,
    outcome: failed ? 'failed' : 'ok',
    ...(operationId !== undefined && { idemKeyDigest: operationId }),
  } as const
}
