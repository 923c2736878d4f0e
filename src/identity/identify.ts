import type { KeyObject } from 'node:crypto'
import type { Identify, Identity } from '../call/authenticate.ts'
import type { Credential } from '../call/call.ts'
import type { Actor } from '../evidence/record.ts'
import type { Claims } from './claims.ts'
import type { Why } from './compact.ts'
import type { Directory } from './directory.ts'
import { rightsNow } from './elevation.ts'
import type { Binding } from './principal.ts'
import { Proof } from './proof.ts'
import { sessionKey } from './session.ts'
import type { ProvenToken, TokenVerifier } from './token.ts'

export interface IdentifyParts {
  readonly verifier: TokenVerifier
  readonly directory: Directory
  /** Secret of the session keys; the same for all replicas. As a key object it costs a quarter per call. */
  readonly sessionKey: Uint8Array | KeyObject
  /** Region of a tenant's data, where the token names none: `EU`, `US`. */
  readonly homeRegion: (tenant: string) => string
  /** Scopes granted for a while and still in force. */
  readonly elevations?: (tenant: string, principal: string) => readonly string[]
  /** Who a local process is that shows no token. Given in development only; absent, such a process is nobody. */
  readonly local?: LocalIdentity
}

/** The identity of a stdio client without a token. */
export interface LocalIdentity {
  readonly tenant: string
  readonly principal: string
  readonly scopes: readonly string[]
}

/** Issuer of identities that no token proves. */
export const localIssuer = 'urn:sluicegate:local'

type Bearer = Extract<Credential, { kind: 'bearer' }>

/** Turns a credential into the principal it proves. Refuses what is not proven; nobody is anybody by default. */
export function identifier(parts: IdentifyParts): Identify {
  return async ({ credential }) => {
    switch (credential.kind) {
      case 'bearer':
        return identifyToken(parts, credential)
      case 'proven':
        return identifyAgain(parts, credential.proof)
      case 'process':
        return parts.local ? identifyProcess(parts, parts.local, credential.processId) : nobody('no token was shown')
      case 'none':
        return credential.refused ?? nobody('no token was shown')
    }
  }
}

async function identifyToken(parts: IdentifyParts, { token, binding = {} }: Bearer): Promise<Identity> {
  const verified = await parts.verifier.verify(token, binding)
  return verified.ok ? principalOf(parts, verified.token, binding) : refused(verified.why)
}

/** A proven token is not proven again, but it may have run out, its key may be gone, and its rights are those of now. */
async function identifyAgain(parts: IdentifyParts, proof: Proof): Promise<Identity> {
  const held = Proof.read(proof)
  if (!held) return nobody('no token was shown')
  const why = await parts.verifier.again(held.token, held.binding)
  return why ? refused(why) : principalOf(parts, held.token, held.binding)
}

/** Who a proven token makes its sender, with a proof of it. */
function principalOf(parts: IdentifyParts, token: ProvenToken, binding: Binding): Identity {
  const { claims } = token
  const entry = parts.directory.find(claims.subject, claims.actor ?? claims.subject)
  if (entry?.ttlSeconds !== undefined && claims.ttlSec > entry.ttlSeconds) {
    return nobody(`exp: The token lives ${claims.ttlSec} s; this principal's may live ${entry.ttlSeconds} s.`)
  }
  const caller = known(parts, claims, binding)
  const rights = rightsNow(parts.directory, elevationsOf(parts), caller)
  const who = { ...caller, ...rights, session: sessionOf(parts, claims, binding) }
  return { ok: true, who, proof: new Proof({ token, binding }) }
}

function known(parts: IdentifyParts, claims: Claims, binding: Binding) {
  const { tenant, issuer, subject, jti, expMs, ttlSec, scopes, selfIssued } = claims
  const region = claims.region ?? parts.homeRegion(tenant)
  return { tenant, issuer, subject, jti, expMs, ttlSec, scopes, selfIssued, region, actor: actorOf(claims, binding) }
}

/** The process takes no part: whoever holds the token could start another to come back after a kill. */
function sessionOf(parts: IdentifyParts, claims: Claims, binding: Binding): string {
  const { tenant, issuer, subject, sid } = claims
  const thumb = binding.certThumb ?? binding.keyThumb
  return sessionKey(parts.sessionKey, {
    tenant,
    issuer,
    subject,
    ...(sid !== undefined && { sid }),
    ...(thumb !== undefined && { thumb }),
  })
}

/** With `act` it is the actor who acts, on behalf of the subject (RFC 8693 §4.1). */
function actorOf({ subject, actor, jti }: Claims, { certThumb }: Binding): Actor {
  return {
    id: actor ?? subject,
    type: actorType(actor ?? subject),
    jti,
    ...(actor !== undefined && { onBehalfOf: subject }),
    ...(certThumb !== undefined && { certThumb }),
  }
}

/** The kind that a name says, e.g. `user:ana`. Any other name is an agent's: the most watched kind. */
function actorType(name: string): 'agent' | 'user' | 'service' | 'mcp' {
  const [kind] = name.split(':', 1)
  return kind === 'user' || kind === 'service' || kind === 'mcp' ? kind : 'agent'
}

function identifyProcess(parts: IdentifyParts, local: LocalIdentity, processId: string): Identity {
  const { tenant, principal, scopes } = local
  const session = sessionKey(parts.sessionKey, { tenant, issuer: localIssuer, subject: principal, processId })
  const caller = { tenant, subject: principal, actor: { id: principal, type: actorType(principal) }, scopes }
  const rights = rightsNow(parts.directory, elevationsOf(parts), caller)
  const region = parts.homeRegion(tenant)
  return { ok: true, who: { ...caller, ...rights, issuer: localIssuer, session, region, selfIssued: true } }
}

const elevationsOf = ({ elevations = () => [] }: IdentifyParts) => elevations

function refused({ check, message }: Why): Identity {
  return nobody(`${check}: ${message}`)
}

function nobody(why: string): Identity {
  return { ok: false, code: 'unauthenticated', why }
}
