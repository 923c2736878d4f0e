import type { Principal } from '../identity/principal.ts'
import type { Proof } from '../identity/proof.ts'
import type { Identified, Received } from './call.ts'
import { pass, refuse, type Stage } from './pipeline.ts'

/**
 * What became of a credential. `proof` stands for a token from now on, so that it is not proven twice. `why` is for
 * operators; the caller learns only that it was refused.
 */
export type Identity =
  | { readonly ok: true; readonly who: Principal; readonly proof?: Proof }
  | { readonly ok: false; readonly code: 'unauthenticated' | 'token_replayed'; readonly why: string }

/** Proves a credential. Throws only when it is broken itself. */
export type Identify = (
  caller: Pick<Received, 'credential' | 'mcpSession' | 'transport'>,
) => Promise<Identity> | Identity

/** Called once for each principal that is identified; resolves when what it wrote is durable. */
export type Watch = (who: Principal, traceId: string) => Promise<void> | undefined

/** Asks who is calling. Nobody is someone by default: without a valid credential the call ends here. */
export function authenticate(identify: Identify, watch: Watch): Stage<Received, Identified> {
  return async (call) => {
    const identity = await identify(call)
    if (!identity.ok) {
      return refuse(
        { code: identity.code, message: 'Show a valid access token. It was missing, expired or not for this server.' },
        { cause: identity.why },
      )
    }
    await watch(identity.who, call.trace.traceId)
    return pass({ who: identity.who })
  }
}
