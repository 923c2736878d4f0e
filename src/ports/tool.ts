import type { Json, JsonObject } from './json.ts'

/** What a call of the tool can do to the world. Anything but `read` leaves an intent in evidence before it happens. */
export type Effect = 'read' | 'write' | 'egress' | 'destructive'

/** The wire object an MCP client sees in `tools/list`. */
export interface ToolDefinition {
  readonly name: string
  readonly title: string
  readonly description: string
  /** JSON Schema 2020-12, root `type: object`, `additionalProperties: false` at every level. */
  readonly inputSchema: JsonObject
  readonly outputSchema?: JsonObject
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    readonly openWorldHint: boolean
  }
}

/** One problem with the arguments: where, and what would be right. Never the value. */
export interface ArgumentProblem {
  /** Dotted path of the field, e.g. `set.status`. */
  readonly field: string
  readonly message: string
  readonly unknown: boolean
}

export type Validation =
  | { readonly ok: true; readonly args: JsonObject }
  | { readonly ok: false; readonly problems: readonly ArgumentProblem[] }

/** What `content` may hold; the same shapes as MCP's content blocks. */
export type Content =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image' | 'audio'; readonly data: string; readonly mimeType: string }
  | { readonly type: 'resource_link'; readonly uri: string; readonly name: string; readonly mimeType?: string }
  | {
      readonly type: 'resource'
      readonly resource: {
        readonly uri: string
        readonly mimeType?: string
        readonly text?: string
        readonly blob?: string
      }
    }

/** A result before it is redacted. `structured` is the truth; text content that repeats it is made from the redacted object. */
export interface ToolResult {
  readonly structured?: JsonObject
  /** Content blocks of tools whose result is not one object, or a sentence to put before the JSON block. */
  readonly content?: readonly Content[]
  readonly isError?: boolean
  /** Rows or items returned, where that is meaningful. */
  readonly rows?: number
}

/** What went wrong at the other end, told without the other end's words. */
export class UpstreamError extends Error {
  readonly code: 'upstream_unavailable' | 'upstream_failed' | 'outcome_unknown'
  /** For evidence and operators: a class such as `timeout`, `refused`, `http_503`. */
  readonly failure: string
  /** When it is known to be worth trying again, milliseconds from now. */
  readonly retryAfterMs?: number
  constructor(code: UpstreamError['code'], failure: string, message: string, retryAfterMs?: number) {
    super(message)
    this.name = 'UpstreamError'
    this.code = code
    this.failure = failure
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs
  }
}

/** A tool's own refusal of well-formed arguments, e.g. a foreign order id. */
export class ToolRefusal extends Error {
  readonly code: 'policy_denied' | 'egress_denied' | 'invalid_arguments' | 'ticket_required' | 'region_unavailable'
  readonly field?: string
  constructor(code: ToolRefusal['code'], message: string, field?: string) {
    super(message)
    this.name = 'ToolRefusal'
    this.code = code
    if (field !== undefined) this.field = field
  }
}

/** What one invocation may use. */
export interface ToolContext {
  /** The call it belongs to: its id, its trace and the caller's session, for whoever has to tell of it later. */
  readonly call: { readonly req: string; readonly traceId: string; readonly spanId: string; readonly session: string }
  readonly tenant: string
  readonly actor: string
  /** Grants in force, for tools that show more to those who may see more. */
  readonly grants: readonly string[]
  /** Region the call was routed to, e.g. `eu-west`. */
  readonly region: string
  /** The caller's idempotency key, bound to tenant and tool; services dedupe on it. */
  readonly operationId?: string
  readonly signal: AbortSignal
  /** Calls a configured service under the `service.api.call` span, with trace context, timeout and (for idempotent reads) retries. */
  readonly service: ServiceCall
  /** Opens an outgoing connection to a destination taken from the arguments. Refuses what egress does not allow. */
  readonly fetch: EgressFetch
}

export interface ServiceRequest {
  /** Name of the service in configuration, e.g. `orders`. */
  readonly service: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path below the service's base URL, already encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: Json
}

export interface ServiceReply {
  readonly status: number
  readonly body: Json
  /** How long the service asks to be left alone, milliseconds. */
  readonly retryAfterMs?: number
}

/** Rejects with `UpstreamError` when the service cannot be reached or answers 5xx; 4xx come back as replies. */
export type ServiceCall = (request: ServiceRequest) => Promise<ServiceReply>

export interface EgressReply {
  readonly status: number
  readonly contentType: string
  readonly text: string
  readonly truncated: boolean
  readonly domain: string
  readonly ip: string
  readonly sentBytes: number
}

/** What left for another party: told by the connection itself, whatever became of the answer. */
export interface Departed {
  readonly domain: string
  readonly ip: string
  /** Bytes of the caller's: path, query and body. */
  readonly sentBytes: number
}

/** Rejects with `ToolRefusal` (`egress_denied`) for a destination that is not allowed, with `UpstreamError` for one that fails. */
export type EgressFetch = (request: {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly body?: string
}) => Promise<EgressReply>

/** One example call: documentation, and a test that runs. */
export interface ToolExample {
  readonly title: string
  readonly args: JsonObject
  /** What a caller with the tool's scopes gets: `ok`, or the refusal's code. */
  readonly expect: string
}

/** Anything that can be invoked, built in or upstream. Pure but for `invoke` and `preview`. */
export interface Tool {
  readonly definition: ToolDefinition
  readonly effect: Effect
  /** True when a call must carry `idemKey`. */
  readonly needsIdemKey: boolean
  /** Cost of one call in US dollars. */
  readonly costUsd: number
  /** A declared poller may repeat the same call without being a loop. */
  readonly polling?: boolean
  /** The result is known to hold personal data, so region routing applies before the call. */
  readonly returnsPii?: boolean
  /** Dotted paths of arguments that name a recipient, address, URL or account. All of them, when absent. */
  readonly sinks?: readonly string[]
  /** Holding any one of these scopes makes the tool visible in `tools/list`. */
  readonly visibleWith: readonly string[]
  readonly examples: readonly ToolExample[]
  /** Strict: an unknown field is a problem, at every level. Gives a fresh, deeply frozen object. */
  validate(args: Json): Validation
  /** Scopes a call with these arguments needs, all of them. */
  scopes(args: JsonObject): readonly string[]
  /** Fields of the result the caller asks to have masked, beside what policy asks. */
  masks?(args: JsonObject): readonly string[]
  /** Where the call will connect, when the arguments say so. */
  destination?(args: JsonObject): URL
  /** Asks the service what the call would touch, so that policy can judge the truth rather than the claim. Merged over the arguments for policy only. */
  preview?(args: JsonObject, context: ToolContext): Promise<JsonObject>
  invoke(args: JsonObject, context: ToolContext): Promise<ToolResult>
}
