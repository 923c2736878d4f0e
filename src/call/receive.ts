import type { Clock } from '../ports/clock.ts'
import type { Json } from '../ports/json.ts'
import type { Observer } from '../ports/observer.ts'
import type { Tool } from '../ports/tool.ts'
import type { Credential, PlanClaim, Received } from './call.ts'

/** A tool call as a transport hands it over, parsed once. */
export interface CallRequest {
  readonly transport: 'http' | 'stdio'
  readonly protocolVersion: string
  readonly requestId?: string
  readonly mcpSession?: string
  readonly client?: string
  readonly credential: Credential
  readonly toolName: string
  readonly rawArgs: Json
  readonly plan: PlanClaim
  readonly resumes?: string
  readonly traceparent?: string
  readonly tracestate?: string
  readonly linkTraceparent?: string
  readonly signal: AbortSignal
}

export interface ReceiveParts {
  readonly tool: (name: string) => Tool | undefined
  readonly observer: Observer
  readonly clock: Clock
  /** A fresh random id for each call. */
  readonly id: () => string
}

/** Opens a call: gives it an id, a time and a trace, and finds its tool. */
export function receive({ tool, observer, clock, id }: ReceiveParts, request: CallRequest): Received {
  const { traceparent, tracestate, linkTraceparent, ...rest } = request
  const found = tool(request.toolName)
  const trace = observer.begin({
    tool: found?.definition.name ?? '_OTHER',
    transport: request.transport,
    protocolVersion: request.protocolVersion,
    ...(request.requestId !== undefined && { requestId: request.requestId }),
    ...(request.mcpSession !== undefined && { mcpSession: request.mcpSession }),
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
    ...(linkTraceparent !== undefined && { linkTraceparent }),
    plan: request.plan,
  })
  return { ...rest, id: id(), atMs: clock.nowMs(), trace, ...(found && { tool: found }) }
}
