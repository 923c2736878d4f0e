import type { Principal } from '../identity/principal.ts'
import type { Proof } from '../identity/proof.ts'
import type { Identified, Received } from './call.ts'
import { pass, type Stage, type Verdict } from './pipeline.ts'

/**
 * What became of a credential. `proof` stands for a token from now on, so that it is not proven twice. `why` is for
 * operators, the caller learns only that it was refused; `who` is whose token it was, where that much is proven.
 */
export type Identity =
  | { readonly ok: true; readonly who: Principal; readonly proof?: Proof }
  | {
      readonly ok: false
      readonly code: 'unauthenticated' | 'token_replayed' | 'rate_limited' | 'internal'
      readonly why: string
      readonly who?: Principal
      /** What the challenge says where it was not the token (RFC 9449 §7.1). */
      readonly error?: 'invalid_dpop_proof'
      /** When to come back, where the credential was good and too many like it were shown. */
      readonly retryAfterMs?: number
    }

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
    if (!identity.ok) return refusalOf(identity)
    await watch(identity.who, call.trace.traceId)
    return pass({ who: identity.who })
  }
}

/** What the caller reads: what to do next, and nothing of why. */
const messages = {
  unauthenticated: 'Show a valid access token. It was missing, expired or not for this server.',
  token_replayed:
    'This access token belongs to another connection or was used up. Get a new one from its issuer, and use it from one client and one session only.',
  rate_limited: 'More proofs of possession than one client may show in a minute. Wait, then show a new one.',
  internal: 'Whose token this is could not be looked up. Try again in a moment.',
} as const

function refusalOf({ code, why, who, retryAfterMs: waitMs }: Extract<Identity, { ok: false }>): Verdict<never> {
  const retryAfterMs = code === 'internal' ? 1_000 : waitMs
  const denied = { code, message: messages[code], ...(retryAfterMs !== undefined && { retryAfterMs }) }
  return { kind: 'refuse', refusal: { denied, cause: why }, ...(who && { learned: { who } }) }
}
