import { WebStandardStreamableHTTPServerTransport, type Server } from '@modelcontextprotocol/server'
import type { Principal } from '../identity/principal.ts'

/** A protocol session of the 2025 revisions. It is no authentication: every request shows its token again. */
export interface McpSession {
  readonly id: string
  readonly transport: WebStandardStreamableHTTPServerTransport
  readonly client: string | undefined
}

/** Whose a session is. */
interface Owner {
  readonly tenant: string
  /** The principal, and who acts for it: what one actor opened is no other's. */
  readonly owner: string
}

/** How long a session is not used before another may take its place, milliseconds. */
export const idleMsMax = 60_000

interface Held extends McpSession, Owner {
  usedMs: number
}

export interface SessionsOptions {
  readonly sessionsMax: number
  /** Most of them for one principal, so that nobody can take the others' places. */
  readonly perPrincipalMax: number
  /** Most of them for one tenant, however many principals it has. */
  readonly perTenantMax: number
  readonly nowMs: () => number
  readonly id: () => string
}

export interface McpSessions {
  /**
   * A session for this principal on a fresh server, without a place yet: nobody makes room for it and `find` does not know
   * it. Undefined when there would be no room.
   */
  prepare(who: Principal, client: string | undefined, server: Server): Promise<McpSession | undefined>
  /**
   * Gives a prepared session its place. Where its principal has too many the principal's own oldest makes room, where its
   * tenant or all have too many the oldest of those; false when that one is not idle.
   */
  keep(session: McpSession): boolean
  /** The session, when it exists and belongs to this principal. */
  find(id: string, who: Principal): McpSession | undefined
  /** It is in use: not idle from now on. */
  touch(session: McpSession): void
  close(): Promise<void>
}

/** Keeps the sessions of one listener, at most `sessionsMax` of them. */
export function mcpSessions(options: SessionsOptions): McpSessions {
  const held = new Map<string, Held>()
  const prepared = new WeakMap<McpSession, Owner>()
  const { nowMs } = options
  return {
    async prepare(who, client, server) {
      const owner = ownerOf(who)
      if (room(held, owner, options) === 'none') return undefined
      const id = options.id()
      const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => id })
      transport.onclose = () => held.delete(id)
      const session = { id, transport, client }
      prepared.set(session, owner)
      await server.connect(transport)
      return session
    },
    keep(session) {
      const owner = prepared.get(session)
      const found = owner === undefined ? 'none' : room(held, owner, options)
      if (owner === undefined || found === 'none') return false
      if (found !== 'free') drop(held, found)
      held.set(session.id, { ...session, ...owner, usedMs: nowMs() })
      return true
    },
    find(id, who) {
      const session = held.get(id)
      return session?.owner === ownerOf(who).owner ? session : undefined
    },
    touch({ id }) {
      const session = held.get(id)
      if (session) session.usedMs = nowMs()
    },
    async close() {
      await Promise.all([...held.values()].map(({ transport }) => transport.close()))
    },
  }
}

function ownerOf({ tenant, issuer, subject, actor }: Principal): Owner {
  return { tenant, owner: JSON.stringify([tenant, issuer, subject, actor.id]) }
}

/** Whether one more fits: at once, in the place of an idle one, or not at all. Changes nothing. */
function room(held: Map<string, Held>, { tenant, owner }: Owner, options: SessionsOptions): 'free' | 'none' | Held {
  const all = [...held.values()]
  const shares = [
    [all.filter((session) => session.owner === owner), options.perPrincipalMax],
    [all.filter((session) => session.tenant === tenant), options.perTenantMax],
    [all, options.sessionsMax],
  ] as const
  const [full] = shares.find(([those, max]) => those.length >= max) ?? []
  if (!full) return 'free'
  const oldest = full.reduce((a, b) => (a.usedMs <= b.usedMs ? a : b))
  return options.nowMs() - oldest.usedMs < idleMsMax ? 'none' : oldest
}

function drop(held: Map<string, Held>, { id, transport }: Held): void {
  held.delete(id)
  void transport.close()
}
