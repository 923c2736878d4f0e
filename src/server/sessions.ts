import { WebStandardStreamableHTTPServerTransport, type Server } from '@modelcontextprotocol/server'
import type { Principal } from '../identity/principal.ts'

/** A protocol session of the 2025 revisions. It is no authentication: every request shows its token again. */
export interface McpSession {
  readonly id: string
  readonly transport: WebStandardStreamableHTTPServerTransport
  readonly client: string | undefined
}

/** How long a session is not used before another may take its place, milliseconds. */
export const idleMsMax = 60_000

interface Held extends McpSession {
  readonly owner: string
  usedMs: number
}

export interface SessionsOptions {
  readonly sessionsMax: number
  /** Most of them for one principal, so that nobody can take the others' places. */
  readonly perPrincipalMax: number
  readonly nowMs: () => number
  readonly id: () => string
}

export interface McpSessions {
  /**
   * Opens a session for this principal on a fresh server. Where the principal has too many its own oldest makes room,
   * where all have too many the oldest of all; when that one is not idle there is none.
   */
  open(who: Principal, client: string | undefined, server: Server): Promise<McpSession | undefined>
  /** The session, when it exists and belongs to this principal. */
  find(id: string, who: Principal): McpSession | undefined
  close(): Promise<void>
}

/** Keeps the sessions of one listener, at most `sessionsMax` of them. */
export function mcpSessions(options: SessionsOptions): McpSessions {
  const held = new Map<string, Held>()
  return {
    async open(who, client, server) {
      const owner = ownerOf(who)
      if (!makeRoom(held, owner, options)) return undefined
      const id = options.id()
      const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => id })
      transport.onclose = () => held.delete(id)
      const session = { id, transport, client, owner, usedMs: options.nowMs() }
      held.set(id, session)
      await server.connect(transport)
      return session
    },
    find(id, who) {
      const session = held.get(id)
      if (!session || session.owner !== ownerOf(who)) return undefined
      session.usedMs = options.nowMs()
      return session
    },
    async close() {
      await Promise.all([...held.values()].map(({ transport }) => transport.close()))
    },
  }
}

const ownerOf = ({ tenant, issuer, subject }: Principal) => JSON.stringify([tenant, issuer, subject])

/** Nothing is awaited between counting and taking the place: requests at one time cannot open more than fit. */
function makeRoom(held: Map<string, Held>, owner: string, options: SessionsOptions): boolean {
  const all = [...held.values()]
  const own = all.filter((session) => session.owner === owner)
  if (own.length >= options.perPrincipalMax) return dropIdle(held, own, options)
  return all.length < options.sessionsMax || dropIdle(held, all, options)
}

function dropIdle(held: Map<string, Held>, from: readonly Held[], { nowMs }: SessionsOptions): boolean {
  const oldest = from.reduce((a, b) => (a.usedMs <= b.usedMs ? a : b))
  if (nowMs() - oldest.usedMs < idleMsMax) return false
  held.delete(oldest.id)
  void oldest.transport.close()
  return true
}
