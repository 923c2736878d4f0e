import type { Identity } from '../call/authenticate.ts'
import type { Credential } from '../call/call.ts'
import type { Principal } from '../identity/principal.ts'
import { guardedIdentity } from './identity-guard.ts'
import type { GatewayService } from './mcp.ts'

/** What a connection shows, asked for whenever something is shown. Throws while it has nothing to show. */
export type Shows = () => Credential

/** Who is at the other end, and with what. */
export interface Shown {
  readonly credential: Credential
  readonly who: Principal
}

export interface Connection {
  /** What the next message is judged by. A credential that proves nobody takes no one's place; one of somebody else is refused. */
  now(): Promise<Shown>
  /** Resolves with a sentence when the connection came to show somebody else: it must end. */
  readonly usurped: Promise<string>
}

export interface ConnectionParts {
  readonly service: Pick<GatewayService, 'identify' | 'prove'>
  readonly shows: Shows
  readonly fault: (error: unknown) => void
  /** Longest wait for who somebody is; half a minute unless given. */
  readonly timeoutMs?: number
}

/**
 * The one principal of a connection that lasts. Its credential may be renewed at any time; whom it proves may not change.
 * Rejects when the first credential proves nobody.
 */
export async function connection({ service, shows, fault, timeoutMs }: ConnectionParts): Promise<Connection> {
  const usurped = Promise.withResolvers<string>()
  const { identify } = guardedIdentity(service, fault, timeoutMs)
  const identified = async (credential: Credential) => identify({ credential, transport: 'stdio' })
  const credential = shows()
  const identity = await identified(credential)
  if (!identity.ok)
    throw new Error(`The credential for stdio is not valid (${identity.why}). Pass a valid token with --token-file.`)
  let held: Shown = { credential, who: identity.who }
  let useless = ''

  async function now(): Promise<Shown> {
    const shown = showing()
    if (shown.kind === 'none' || tokenOf(shown) === tokenOf(held.credential)) return { ...held, credential: shown }
    const identity = await identified(shown)
    if (!identity.ok) return unchanged(tokenOf(shown), identity.why)
    if (!isSame(identity.who, held.who)) return refused()
    held = { credential: shown, who: identity.who }
    return held
  }

  /** Nothing to show is shown as nobody: the call is refused and on record. */
  function showing(): Credential {
    try {
      return shows()
    } catch (error) {
      return nobody(error instanceof Error ? error.message : String(error))
    }
  }

  /** Somebody may be writing it: the credential before it serves until it ends. */
  function unchanged(token: string, why: string): Shown {
    if (token !== useless)
      fault(new Error(`The new token is not valid (${why}); the one before it is used until it ends.`))
    useless = token
    return held
  }

  function refused(): Shown {
    const why = 'The token is of another principal than the connection.'
    usurped.resolve(why)
    return { ...held, credential: nobody(why) }
  }

  return { now, usurped: usurped.promise }
}

function nobody(why: string): Credential {
  const refused: Extract<Identity, { ok: false }> = { ok: false, code: 'unauthenticated', why }
  return { kind: 'none', refused }
}

const tokenOf = (credential: Credential): string => (credential.kind === 'bearer' ? credential.token : '')

/** The same subject of the same issuer and tenant, through the same actor. What it may do can differ. */
function isSame(one: Principal, other: Principal): boolean {
  const named = ({ tenant, issuer, subject, actor }: Principal) => JSON.stringify([tenant, issuer, subject, actor.id])
  return named(one) === named(other)
}
