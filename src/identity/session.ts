import { createHmac, type KeyObject } from 'node:crypto'

/** What a session is made of: who calls, and the first present of what tells this caller's sessions apart. */
export interface SessionOf {
  readonly tenant: string
  readonly issuer: string
  readonly subject: string
  /** Token `sid`: the issuer's own word for a session. */
  readonly sid?: string
  /** Thumbprint of the client certificate or DPoP key. */
  readonly thumb?: string
  /** The process behind a stdio connection that showed no token. */
  readonly processId?: string
}

/**
 * Key of a session: `<lineage>-<letter><instance>`. The lineage (12 hex) is one caller at one issuer; the letter says what
 * the instance (12 hex) comes from: `s`id, `c`ertificate or key, `p`rocess, `n`othing. Nothing that an agent can vary within
 * its credential changes it: a protocol session is opened at the agent's wish, so it takes no part. Keyed, so it tells no name.
 */
export function sessionKey(key: Uint8Array | KeyObject, session: SessionOf): string {
  const { tenant, issuer, subject } = session
  const [letter, value] = instanceOf(session)
  return `${short(key, JSON.stringify([tenant, issuer, subject]))}-${letter}${short(key, value)}`
}

/**
 * Whether a switch on `target` stops `session`. An agent can show another certificate, make another key, or show neither,
 * and get another token for it: a switch on one of those sessions stops them all for the caller. Only what the issuer
 * tells apart stands alone, and a process that showed no token.
 */
export function coversSession(target: string, session: string): boolean {
  return target === session || (isLoose(target) && isLoose(session) && lineageOf(target) === lineageOf(session))
}

function instanceOf({ sid, thumb, processId }: SessionOf): readonly [string, string] {
  if (sid !== undefined) return ['s', sid]
  if (thumb !== undefined) return ['c', thumb]
  if (processId !== undefined) return ['p', processId]
  return ['n', '']
}

function isLoose(session: string): boolean {
  return /^[0-9a-f]{12}-[cn][0-9a-f]{12}$/.test(session)
}

function lineageOf(session: string): string {
  return session.slice(0, 12)
}

function short(key: Uint8Array | KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex').slice(0, 12)
}
