import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { problem, type Reply } from './route.ts'

/** Service credentials, and the tenants each may act for. */
export type Tokens = Readonly<Record<string, readonly string[]>>

/**
 * Who asks, and for which tenant. Refuses without a known bearer token (401), without `x-tenant` (400), for a tenant the
 * token does not cover (403) and for one whose data is not in this region (404).
 */
export function callerOf(
  request: IncomingMessage,
  tokens: Tokens,
  held: readonly string[],
): { readonly tenant: string } | { readonly refused: Reply } {
  const covered = coverage(request.headers.authorization, tokens)
  if (!covered) return refuse(401, 'unauthenticated', 'A known service token is needed.')
  const tenant = request.headers['x-tenant']
  if (typeof tenant !== 'string') return refuse(400, 'bad_request', 'The header x-tenant names one tenant.')
  if (!covered.includes(tenant)) return refuse(403, 'tenant_forbidden', 'The service token does not cover this tenant.')
  if (!held.includes(tenant)) return refuse(404, 'tenant_not_here', 'This region holds no data of the tenant.')
  return { tenant }
}

function refuse(status: number, code: string, message: string): { readonly refused: Reply } {
  return { refused: problem(status, code, message) }
}

function coverage(header: string | undefined, tokens: Tokens): readonly string[] | undefined {
  const given = sha256(/^Bearer ([^\s]+)$/.exec(header ?? '')?.[1] ?? '')
  return Object.entries(tokens).find(([token]) => timingSafeEqual(sha256(token), given))?.[1]
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
