import type { JsonObject } from '../ports/json.ts'
import { deniedShape } from './denied.ts'
import type { Code, Denied, Outcome } from './outcome.ts'

/** What goes back over the wire: a tool result, or a JSON-RPC error, each perhaps with an HTTP status of its own. */
export type Surface =
  | { readonly kind: 'result'; readonly result: JsonObject }
  | {
      readonly kind: 'error'
      readonly code: number
      readonly message: string
      readonly data: JsonObject
      readonly status?: number
      readonly retryAfterMs?: number
    }

/** HTTP status of the refusals that have one; everything else is a tool result with 200. Never a 5xx for what the caller did. */
const statuses: Readonly<Partial<Record<Code, number>>> = {
  unauthenticated: 401,
  token_replayed: 401,
  scope_missing: 403,
  rate_limited: 429,
  concurrency_limited: 429,
}

/** JSON-RPC codes of the endings that are protocol errors on every transport. */
const protocolErrors: Readonly<Partial<Record<Code, number>>> = {
  unknown_tool: -32602,
  internal: -32603,
}

/** What is answered when something broke before there was a call to name. */
export const brokenInside = {
  code: -32603,
  message: 'DENY internal: The gateway could not finish this request.',
  data: { denied: { code: 'internal', message: 'The gateway could not finish this request.' } },
} as const

/** Turns an ending into what the agent sees. On stdio there are no statuses, so limits and scopes are tool results. */
export function surface(outcome: Outcome, transport: 'http' | 'stdio'): Surface {
  if (outcome.kind === 'ok') return { kind: 'result', result: resultOf(outcome) }
  const { denied } = outcome.refusal
  const text = `DENY ${denied.code}: ${denied.message}`
  const data = { denied: denied as unknown as JsonObject }
  const protocolError = protocolErrors[denied.code]
  if (protocolError !== undefined) return { kind: 'error', code: protocolError, message: text, data }
  const status = transport === 'http' ? statuses[denied.code] : undefined
  if (status !== undefined)
    return { kind: 'error', code: status * 1000 + 1, message: text, data, status, ...retryOf(denied) }
  return { kind: 'result', result: { content: [{ type: 'text', text }], structuredContent: data, isError: true } }
}

function resultOf({ answer }: Extract<Outcome, { kind: 'ok' }>): JsonObject {
  return {
    content: answer.content,
    ...(answer.structured && { structuredContent: answer.structured }),
    ...(answer.isError && { isError: true }),
  }
}

function retryOf({ retryAfterMs }: Denied): { readonly retryAfterMs?: number } {
  return retryAfterMs === undefined ? {} : { retryAfterMs }
}

/**
 * The output schema as clients are told it: the tool's own shape, or a refusal. Clients of the first SDK line check
 * structured content even on errors, so a refusal has to fit too.
 */
export function withRefusal(outputSchema: JsonObject): JsonObject {
  const { $schema, ...own } = outputSchema
  return {
    ...($schema !== undefined && { $schema }),
    type: 'object',
    anyOf: [own, { type: 'object', properties: { denied: deniedShape }, required: ['denied'] }],
  }
}
