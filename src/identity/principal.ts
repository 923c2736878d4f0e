import type { Actor } from '../evidence/record.ts'

/** Who is calling, as the credential proves it. Everything here is true; what a client says of itself is not here. */
export interface Principal {
  readonly tenant: string
  readonly actor: Actor
  readonly issuer: string
  readonly subject: string
  /** Key of the session, see `session.ts`. */
  readonly session: string
  /** Region of the person or tenant the data belongs to: `EU`, `US`. */
  readonly region: string
  /** Scopes the credential carries, as issued. */
  readonly scopes: readonly string[]
  /** Scopes in force: (token ∩ the principal's `allow`) + live elevations − `deny`. */
  readonly rights: readonly string[]
  /** Those of them that only an elevation gives. */
  readonly elevated?: readonly string[]
  /** Scopes the credential carries beyond what the principal's entry lists. */
  readonly outsideAllow: readonly string[]
  /** Seconds the credential lives in all, from issue to expiry; absent for a local process. */
  readonly ttlSec?: number
  /** Expiry, milliseconds since the epoch. */
  readonly expMs?: number
  readonly jti?: string
  /** Only this sender can use the credential: it is bound to what the sender proves, or was for one request. */
  readonly tied: boolean
  /** The gateway itself issued the credential. */
  readonly selfIssued: boolean
}

/** What the connection proves of the sender: thumbprints of its client certificate and of its DPoP key, base64url. */
export interface Binding {
  readonly certThumb?: string
  readonly keyThumb?: string
}
