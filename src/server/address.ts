import type { IncomingMessage } from 'node:http'
import { algorithms } from '../ports/issuer-keys.ts'
import { valuesOf } from './host-guard.ts'

/** How a listener can be addressed from outside. */
export interface Reachable {
  readonly scheme: 'http' | 'https'
  /** Where `/mcp` is for clients, when something stands before the listener. */
  readonly publicUrl?: string
}

/** Where `/mcp` is for this client: as configured, else under the Host it used, which is one of ours by now. */
export function addressOf(request: IncomingMessage, { scheme, publicUrl }: Reachable): string {
  return publicUrl ?? `${scheme}://${(valuesOf(request, 'host')[0] ?? '').toLowerCase()}/mcp`
}

/** Where the metadata of a resource are (RFC 9728 §3.1). */
function metadataOf(address: string): string {
  const { origin, pathname } = new URL(address)
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`
}

/** Why a request is challenged, and the scope it lacks. */
export interface Challenged {
  readonly error: 'invalid_token' | 'insufficient_scope' | 'invalid_dpop_proof'
  readonly scope?: string
}

/** What a caller needs to do better (RFC 6750 §3, RFC 9728 §5.1, RFC 9449 §7.1). */
export function challenge(address: string, { error, scope }: Challenged): string {
  const said = [`error="${error}"`, ...(scope === undefined ? [] : [`scope="${scope}"`])]
  const [bearer, dpop] = error === 'invalid_dpop_proof' ? [[], said] : [said, []]
  return [
    `Bearer ${[...bearer, `resource_metadata="${metadataOf(address)}"`].join(', ')}`,
    `DPoP ${[...dpop, `algs="${algorithms.join(' ')}"`].join(', ')}`,
  ].join(', ')
}
