import type { z } from 'zod'
import { isJsonObject, type Json, type JsonObject } from '../ports/json.ts'
import { ToolRefusal, UpstreamError, type ServiceReply } from '../ports/tool.ts'

/**
 * The object a service answered with. A refusal by the service becomes the tool's own, without the service's words:
 * data that is not in this region, a request the service will not take, or a service we are not welcome at.
 */
export function objectOf(reply: ServiceReply): JsonObject {
  if (reply.status >= 200 && reply.status < 300 && isJsonObject(reply.body)) return reply.body
  const code = codeOf(reply)
  if (code === 'tenant_not_here') {
    throw new ToolRefusal('region_unavailable', 'The region this call was routed to holds no data of your tenant.')
  }
  if (reply.status === 400) throw new ToolRefusal('invalid_arguments', 'The service did not accept these arguments.')
  if (reply.status === 404) throw new ToolRefusal('invalid_arguments', 'The service knows nothing of that name.')
  if (reply.status === 429)
    throw new UpstreamError('upstream_unavailable', 'http_429', 'The service is busy.', reply.retryAfterMs)
  throw new UpstreamError('upstream_failed', `http_${reply.status}`, 'The service refused the request.')
}

/** The stable code of a service's refusal, if it gave one. */
export function codeOf({ body }: ServiceReply): string | undefined {
  const error = isJsonObject(body) ? body['error'] : undefined
  const code = isJsonObject(error) ? error['code'] : undefined
  return typeof code === 'string' ? code : undefined
}

/** Checks an answer against what the tool promises. A service that breaks its word has failed. */
export function promised<T>(schema: z.ZodType<T>, value: Json): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new UpstreamError('upstream_failed', 'unexpected_answer', 'The service answered in a shape nobody expects.')
}
