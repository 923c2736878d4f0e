import type { KeyObject } from 'node:crypto'
import type { Identify, Identity } from '../call/authenticate.ts'
import type { Credential } from '../call/call.ts'
import type { Actor } from '../evidence/record.ts'
import type { Claims } from './claims.ts'
import { isWhy, type Why } from './compact.ts'
import type { Directory } from './directory.ts'
import { checkProof, readProof, type CheckedProof, type DpopParts, type ShownProof } from './dpop.ts'
import { rightsNow } from './elevation.ts'
import type { Binding, Principal } from './principal.ts'
import { Proof, type Held } from './proof.ts'
import { proofsPerMinute } from './proof-pace.ts'
import type { Sender, Taken } from './replay.ts'
import { sessionKey } from './session.ts'
import type { TokenVerifier } from './token.ts'

export interface IdentifyParts {
  readonly verifier: TokenVerifier
  /** Where proofs of possession are remembered, and the time they are judged by. */
  readonly dpop: DpopParts
  /** Takes a token for its sender. */
  readonly replay: (claims: Claims, sender: Sender) => Promise<Taken>
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
type Shown = Parameters<Identify>[0]
type Refused = Extract<Identity, { ok: false }>

/** Turns credentials into the principals they prove. Refuses what is not proven; nobody is anybody by default. */
export interface Identifier {
  /** Proves a credential and takes it for its sender, who is known by now. */
  readonly identify: Identify
  /** Only proves it: for an edge that has to read on before it knows the sender, and then asks `identify` with the proof. */
  readonly prove: Identify
}

export function identifier(parts: IdentifyParts): Identifier {
  const known = async ({ credential }: Shown): Promise<Identity> => {
    switch (credential.kind) {
      case 'bearer':
        return proveToken(parts, credential)
      case 'proven':
        return proveAgain(parts, credential.proof)
      case 'process':
        return parts.local ? identifyProcess(parts, parts.local, credential.processId) : nobody('no token was shown')
      case 'none':
        return credential.refused ?? nobody('no token was shown')
    }
  }
  return {
    prove: known,
    async identify(shown) {
      const identity = await known(shown)
      const held = identity.ok ? Proof.read(identity.proof) : undefined
      return identity.ok && held && held.tied === undefined ? take(parts, identity.who, held, shown) : identity
    },
  }
}

async function proveToken(parts: IdentifyParts, { token, binding = {}, dpop }: Bearer): Promise<Identity> {
  if (dpop) return provePossession(parts, token, binding, dpop)
  const verified = await parts.verifier.verify(token, binding)
  return verified.ok ? principalOf(parts, { token: verified.token, binding }) : refused(verified.why)
}

/** The token vouches for the key, then the key for the request. A token that vouches for none proves nothing this way. */
async function provePossession(
  parts: IdentifyParts,
  text: string,
  shown: Binding,
  dpop: ShownProof,
): Promise<Identity> {
  const proof = readProof(dpop, text, parts.dpop.time.latestMs())
  if (isWhy(proof)) return { ...refused(proof), error: 'invalid_dpop_proof' }
  const binding = { ...shown, keyThumb: proof.keyThumb }
  const verified = await parts.verifier.verify(text, binding)
  if (!verified.ok) return refused(verified.why)
  const { claims } = verified.token
  if (claims.bound?.keyThumb === undefined) return nobody('cnf: The token is not bound to a key.')
  const identity = principalOf(parts, { token: verified.token, binding })
  return identity.ok ? proofChecked(identity, await checkProof(parts.dpop, proof, identity.who)) : identity
}

function proofChecked(identity: Extract<Identity, { ok: true }>, checked: CheckedProof): Identity {
  switch (checked.kind) {
    case 'good':
      return identity
    case 'refused':
      return { ...refused(checked.why), error: 'invalid_dpop_proof' }
    case 'early': {
      const why = `dpop: More than ${proofsPerMinute} proofs a minute.`
      return { ok: false, code: 'rate_limited', why, who: identity.who, retryAfterMs: checked.waitMs }
    }
    case 'unknown':
      return { ok: false, code: 'internal', why: 'dpop: The state gave no answer.' }
  }
}

/** A proven token is not proven again, but it may have run out, its key may be gone, and its rights are those of now. */
async function proveAgain(parts: IdentifyParts, proof: Proof): Promise<Identity> {
  const held = Proof.read(proof)
  if (!held) return nobody('no token was shown')
  const why = await parts.verifier.again(held.token, held.binding)
  return why ? refused(why) : principalOf(parts, held)
}

/** Takes a proven token for its sender: nobody is let in with another's, or with one whose owner is not known. */
async function take(parts: IdentifyParts, who: Principal, held: Held, shown: Shown): Promise<Identity> {
  const taken = await parts.replay(held.token.claims, senderOf(held.binding, shown))
  switch (taken.kind) {
    case 'taken':
      return principalOf(parts, { ...held, tied: taken.tied })
    case 'replayed':
      return { ok: false, code: 'token_replayed', why: taken.why, who }
    case 'unknown':
      return { ok: false, code: 'internal', why: taken.why, who }
  }
}

/** The first of what tells this sender from others: certificate, DPoP key, session of the 2025 revisions, stdio connection. */
function senderOf({ certThumb, keyThumb }: Binding, { mcpSession, credential }: Shown): Sender {
  if (certThumb !== undefined) return { kind: 'certificate', id: certThumb }
  if (keyThumb !== undefined) return { kind: 'key', id: keyThumb }
  if (mcpSession !== undefined) return { kind: 'session', id: mcpSession }
  const processId = credential.kind === 'bearer' ? credential.processId : undefined
  return processId === undefined ? { kind: 'anyone' } : { kind: 'process', id: processId }
}

/** Who a proven token makes its sender, with a proof of it. */
function principalOf(parts: IdentifyParts, held: Held): Identity {
  const { claims } = held.token
  const entry = parts.directory.find(claims.subject, claims.actor ?? claims.subject)
  if (entry?.ttlSeconds !== undefined && claims.ttlSec > entry.ttlSeconds) {
    return nobody(`exp: The token lives ${claims.ttlSec} s; this principal's may live ${entry.ttlSeconds} s.`)
  }
  const caller = known(parts, claims, held.binding)
  const rights = rightsNow(parts.directory, elevationsOf(parts), caller)
  const session = sessionOf(parts, claims, held.binding)
  return { ok: true, who: { ...caller, ...rights, session, tied: held.tied ?? false }, proof: new Proof(held) }
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
  return { ok: true, who: { ...caller, ...rights, issuer: localIssuer, session, region, selfIssued: true, tied: true } }
}

const elevationsOf = ({ elevations = () => [] }: IdentifyParts) => elevations

function refused({ check, message }: Why): Refused {
  return nobody(`${check}: ${message}`)
}

function nobody(why: string): Refused {
  return { ok: false, code: 'unauthenticated', why }
}
