/** Names of the pipeline's parts. The observer decides which of them are spans and which are only timed. */
export type Part =
  | 'authenticate'
  | 'halt'
  | 'limit'
  | 'validate'
  | 'inspect'
  | 'decide'
  | 'deduplicate'
  | 'commit'
  | 'invoke'
  | 'service'
  | 'redact'
  | 'record'

export type Attributes = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** A part that has begun. */
export interface OpenPart {
  /** W3C traceparent of this part, for whoever is called from within it. */
  readonly traceparent: string
  /** Microseconds since it began; ends it. */
  end(attributes?: Attributes): number
}

/** A service call of the gateway's own: no agent asked for it just now. */
export interface OwnCall {
  /** The gateway's principal that makes it. */
  readonly actor: string
  /** The tool whose work it is. */
  readonly tool: string
  readonly tenant: string
  readonly operationId?: string
  /** The span that made it necessary. */
  readonly traceparent?: string
}

/** What is known of a call at its beginning. */
export interface CallStart {
  readonly tool: string
  readonly transport: 'http' | 'stdio'
  readonly protocolVersion: string
  readonly requestId?: string
  readonly mcpSession?: string
  /** The agent's trace context, from `_meta` or else the HTTP header. */
  readonly traceparent?: string
  readonly tracestate?: string
  /** The HTTP header's context when `_meta` carried another: a link, not a parent. */
  readonly linkTraceparent?: string
  readonly plan?: { readonly id?: string; readonly step?: number; readonly depth?: number; readonly retry?: number }
}

/** What every span of the call carries once the call has ended. */
export interface CallFacts {
  readonly actorId?: string
  readonly actorType?: string
  readonly tenant?: string
  readonly grants: readonly string[]
  readonly decision: 'allow' | 'deny' | 'redact'
  readonly piiCount: number
  readonly idemKeyDigest?: string
  readonly budgetUsedUsd?: number
  readonly budgetLimitUsd?: number
  /** What it was charged, where it ran. */
  readonly costUsd?: number
  /** Name of the limit that refused it. */
  readonly limit?: string
  readonly outcome: 'ok' | 'refused' | 'failed'
  readonly code?: string
  readonly evidence?: { readonly stream: string; readonly seq: number }
  /** What policy said, where it was asked. */
  readonly policy?: {
    readonly rules: readonly string[]
    readonly version: string
    readonly shadow?: 'allow' | 'deny' | 'require_approval'
  }
  /** What was found in the arguments and in the result: how many, by kind. */
  readonly found?: Readonly<Record<string, number>>
  readonly shown?: Readonly<Record<string, number>>
}

/** The trace of one call. Its spans end together, when everything about the call is known. */
export interface CallTrace {
  readonly traceId: string
  /** Span of the call itself. */
  readonly spanId: string
  readonly parentSpanId?: string
  /** False when the agent sent no plan and the parent span was made here. */
  readonly planned: boolean
  begin(part: Part): OpenPart
  event(name: string, attributes?: Attributes): void
  end(facts: CallFacts): void
}

/** Sees calls; explains and counts. Losing all of it costs sight, never proof. */
export interface Observer {
  begin(start: CallStart): CallTrace
  /** Flushes what is pending, for at most one second. */
  close(): Promise<void>
}
