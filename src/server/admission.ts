import type { Identity } from '../call/authenticate.ts'
import type { Credential } from '../call/call.ts'
import type { Arrived, Endpoint } from './hand-over.ts'
import { methodOf } from './message.ts'
import type { McpSession } from './sessions.ts'

/** From here on the token itself is not needed, and goes no further. */
export function provenBy({ proof }: Extract<Identity, { ok: true }>): Credential {
  return proof ? { kind: 'proven', proof } : { kind: 'none' }
}

/**
 * Takes the token for its sender: for the session it is used in, where there is one. A token that a switch revoked is
 * nobody's. A call with one goes on to the pipeline, which refuses it and records what was called.
 */
export async function take(
  { service }: Endpoint,
  { caller, body }: Arrived,
  session: McpSession | undefined,
): Promise<Identity> {
  const { credential, transport } = caller
  const identity = await service.identify({ credential, transport, ...(session && { mcpSession: session.id }) })
  if (!identity.ok || methodOf(body) === 'tools/call') return identity
  const { who } = identity
  if (service.stopped(who)?.kind !== 'token') return identity
  return { ok: false, code: 'unauthenticated', why: 'jti: The token was revoked.', who }
}
