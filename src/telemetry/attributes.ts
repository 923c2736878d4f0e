import { SpanStatusCode, type Attributes as OtelAttributes, type SpanStatus } from '@opentelemetry/api'
import type { Attributes, CallFacts, CallStart, Part } from '../ports/observer.ts'
import { attribute, span } from './names.ts'

/** Parts of the pipeline that are spans. The others are only timed. */
export const spanOfPart: Readonly<Partial<Record<Part, string>>> = {
  decide: span.decide,
  service: span.service,
  inspect: span.redact,
  redact: span.redact,
}

/** What a part says of itself when it begins. */
export function partStart(part: Part): OtelAttributes {
  if (part === 'inspect') return { [attribute.dlpDirection]: 'arguments' }
  return part === 'redact' ? { [attribute.dlpDirection]: 'result' } : {}
}

/** Short names a part may use when it ends, so that the core spells no attribute. */
const shortNames: Readonly<Record<string, string>> = {
  rules: attribute.rule,
  version: attribute.policyVersion,
  shadow: attribute.shadow,
  kinds: attribute.dlpKinds,
  count: attribute.dlpCount,
  method: attribute.httpMethod,
  status: attribute.httpStatus,
  host: attribute.serverAddress,
  port: attribute.serverPort,
  failure: attribute.errorType,
}

/** A part's own attributes under their full names. What has no name is left to the scrubber to delete. */
export function partEnd(attributes: Attributes): OtelAttributes {
  const named: Record<string, OtelAttributes[string]> = {}
  for (const [name, value] of Object.entries(attributes)) {
    named[shortNames[name] ?? name] = typeof value === 'object' ? [...value] : value
  }
  return named
}

/** What one part's spans carry once the call has ended. */
export function partFacts(part: Part, facts: CallFacts): OtelAttributes {
  if (part === 'decide' && facts.policy) {
    const { rules, version, shadow } = facts.policy
    return { [attribute.rule]: [...rules], [attribute.policyVersion]: version, ...defined(attribute.shadow, shadow) }
  }
  const kinds = part === 'inspect' ? facts.found : part === 'redact' ? facts.shown : undefined
  if (kinds === undefined) return {}
  const total = Object.values(kinds).reduce((sum, count) => sum + count, 0)
  return { [attribute.dlpKinds]: Object.keys(kinds), [attribute.dlpCount]: total }
}

/** What every span of a call carries. An empty `idem.key` is none, and a limit of -1 is no limit: each name is always there. */
export function common(start: CallStart, facts: CallFacts): OtelAttributes {
  return {
    [attribute.actorId]: facts.actorId ?? 'anonymous',
    [attribute.actorType]: facts.actorType ?? 'unknown',
    [attribute.tool]: start.tool,
    [attribute.grants]: [...facts.grants],
    [attribute.decision]: facts.decision,
    [attribute.piiCount]: facts.piiCount,
    [attribute.idemKey]: facts.idemKeyDigest ?? '',
    [attribute.tenant]: facts.tenant ?? '',
    [attribute.budgetUsed]: facts.budgetUsedUsd ?? 0,
    [attribute.budgetLimit]: facts.budgetLimitUsd ?? -1,
    [attribute.outcome]: facts.outcome,
    ...defined(attribute.code, facts.code),
    ...defined(attribute.evidenceStream, facts.evidence?.stream),
    ...defined(attribute.evidenceSeq, facts.evidence?.seq),
    ...planOf(start),
  }
}

/** What the call's own span carries besides. */
export function invokeStart(start: CallStart): OtelAttributes {
  return {
    [attribute.mcpMethod]: 'tools/call',
    [attribute.genAiTool]: start.tool,
    [attribute.genAiOperation]: 'execute_tool',
    [attribute.mcpVersion]: start.protocolVersion,
    [attribute.transport]: start.transport === 'http' ? 'tcp' : 'pipe',
    ...(start.transport === 'http' && { [attribute.protocol]: 'http' }),
    ...defined(attribute.requestId, start.requestId),
    ...defined(attribute.mcpSession, start.mcpSession),
  }
}

/** What a planning step carries besides, where we had to open it for the agent. */
export function planStart(start: CallStart): OtelAttributes {
  return { [attribute.genAiOperation]: 'plan', [attribute.planSynthetic]: true, ...planOf(start) }
}

function planOf({ plan }: CallStart): OtelAttributes {
  return {
    ...defined(attribute.planId, plan?.id),
    ...defined(attribute.planStep, plan?.step),
    ...defined(attribute.planDepth, plan?.depth),
    ...defined(attribute.planRetry, plan?.retry),
    [attribute.planClaimed]: Object.keys(plan ?? {}).length > 0,
  }
}

/** JSON-RPC errors by refusal code; all other refusals are tool results. */
const rpcErrors: Readonly<Record<string, string>> = { unknown_tool: '-32602', internal: '-32603' }

/** The MCP convention's view of an ending: a refusal is a tool error, and a caller's own fault is no error of ours. */
export function endingOf(facts: CallFacts): { readonly attributes: OtelAttributes; readonly status: SpanStatus } {
  if (facts.outcome === 'ok') return { attributes: {}, status: { code: SpanStatusCode.UNSET } }
  const rpc = rpcErrors[facts.code ?? '']
  return {
    attributes: { [attribute.errorType]: rpc ?? 'tool_error', ...defined(attribute.statusCode, rpc) },
    status: { code: rpc === rpcErrors['unknown_tool'] ? SpanStatusCode.UNSET : SpanStatusCode.ERROR },
  }
}

function defined(name: string, value: string | number | undefined): OtelAttributes {
  return value === undefined ? {} : { [name]: value }
}
