import type { IncomingMessage } from 'node:http'
import { algorithms } from '../ports/issuer-keys.ts'
import { valuesOf } from './host-guard.ts'

/** How a listener can be addressed from outside. */
export interface Reachable {
  readonly scheme: 'http' | 'https'
  /** Where the listener stands. */
  readonly port: number
  /** Where `/mcp` is for clients, when something stands before the listener. */
  readonly publicUrl?: string
}

/** Where `/mcp` is for this client: as configured, else under the Host it used, which is one of ours by now. */
export function addressOf(request: IncomingMessage, { scheme, publicUrl }: Reachable): string {
  return publicUrl ?? `${scheme}://${(valuesOf(request, 'host')[0] ?? '').toLowerCase()}/mcp`
}

/**
 * What a proof of possession must be about: as configured, else our own port under the name in Host. Whoever passes on a
 * proof that was made for another server on this machine would name that one's port in Host.
 */
export function proofAddressOf(request: IncomingMessage, reachable: Reachable): string {
  const address = new URL(addressOf(request, reachable))
  if (reachable.publicUrl === undefined) address.port = String(reachable.port)
  return address.href
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
