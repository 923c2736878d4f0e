import { ToolRefusal, type Departed, type EgressFetch, type EgressReply } from '../ports/tool.ts'
import { domainOf, type Blocked } from '../tools/egress.ts'
import { deny, visit, type Hop, type HopParts } from './egress-hop.ts'

export interface EgressOptions extends Omit<HopParts, 'blocked'> {
  /** Longest a fetch may take with all its redirects, milliseconds. */
  readonly timeoutMs?: number
  /** Longest body sent, bytes. */
  readonly sentMax?: number
  readonly redirectsMax?: number
}

/** What one call brings along. `blocked` answers for the caller's tenant. */
export interface EgressCall {
  readonly signal: AbortSignal
  readonly blocked: Blocked
  /** Told once the first connection stood: from then on the caller's bytes may have left. */
  readonly departed?: (what: Departed) => void
}

/**
 * Connections to destinations that arguments name. Every hop is judged before it and again inside the connector, where the
 * address is known; each has a connection of its own, so no pooled socket outlives a switch. Redirects are followed by
 * hand. Rejects with `ToolRefusal` (`egress_denied`) or, when an allowed destination fails, `UpstreamError`.
 */
export function undiciEgress(options: EgressOptions): (call: EgressCall) => EgressFetch {
  const { timeoutMs = 10_000, sentMax = 256 * 1024, redirectsMax = 3 } = options
  return ({ signal, blocked, departed }) =>
    async (request) => {
      const parts = { ...options, blocked, ...(departed && { departed }) }
      if (Buffer.byteLength(request.body ?? '') > sentMax) deny(parts, domainOf(request.url), 'body too long')
      return follow(parts, request, redirectsMax, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]))
    }
}

/** The first hop's domain and address stand in the reply: that is where the caller's bytes went. */
async function follow(
  { departed, ...parts }: HopParts & Pick<EgressCall, 'departed'>,
  first: Hop,
  redirectsMax: number,
  signal: AbortSignal,
): Promise<EgressReply> {
  let hop = first
  let origin: Departed | undefined
  const left = (ip: string): void => departed?.({ domain: domainOf(first.url), ip, sentBytes: sentBytes(first) })
  for (let count = 0; count <= redirectsMax; count += 1) {
    const answer = await visit(count === 0 ? { ...parts, left } : parts, hop, signal)
    origin ??= { domain: domainOf(hop.url), ip: answer.ip, sentBytes: sentBytes(first) }
    if (answer.kind === 'page') return { ...answer.page, ...origin }
    hop = redirected(parts, hop, answer)
  }
  throw new ToolRefusal('egress_denied', `The page redirects more than ${redirectsMax} times.`, 'url')
}

/**
 * The next hop. Only 307 and 308 keep the body, and it may not leave the origin it was judged for; a redirect from https
 * to http would show the rest of the conversation to the network.
 */
function redirected(parts: HopParts, from: Hop, { status, location }: { status: number; location: string }): Hop {
  const domain = domainOf(from.url)
  const url = URL.parse(location, from.url.href)
  if (!url) return deny(parts, domain, 'malformed redirect')
  if (from.url.protocol === 'https:' && url.protocol === 'http:') return deny(parts, domain, 'redirect to plain http')
  if (status !== 307 && status !== 308) return { url, method: 'GET' }
  if (from.body !== undefined && url.origin !== from.url.origin)
    return deny(parts, domain, 'redirect of a body elsewhere')
  return { ...from, url }
}

/** Bytes of the caller's that leave: the path, the query and the body. */
function sentBytes({ url, body = '' }: Hop): number {
  return Buffer.byteLength(url.pathname) + Buffer.byteLength(url.search) + Buffer.byteLength(body)
}
