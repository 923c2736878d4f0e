import type { IncomingMessage } from 'node:http'

/** One request as it arrived. The credential is left out. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly tenant?: string
  readonly operationId?: string
  readonly traceparent?: string
  readonly tracestate?: string
  /** Names of all headers, lower case. */
  readonly headerNames: readonly string[]
}

const requestsMax = 1000

/** Remembers the last requests, so that a test or the demo can show that a trace reached the service. */
export function requestLog(): {
  readonly add: (request: IncomingMessage) => void
  readonly list: () => readonly SeenRequest[]
} {
  const seen: SeenRequest[] = []
  return {
    add(request) {
      seen.push(note(request))
      if (seen.length > requestsMax) seen.shift()
    },
    list: () => [...seen],
  }
}

function note({ method = '', url = '', headers }: IncomingMessage): SeenRequest {
  const one = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined)
  const [tenant, operationId] = [one('x-tenant'), one('idempotency-key')]
  const [traceparent, tracestate] = [one('traceparent'), one('tracestate')]
  return {
    method,
    path: url,
    ...(tenant !== undefined && { tenant }),
    ...(operationId !== undefined && { operationId }),
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
    headerNames: Object.keys(headers),
  }
}
