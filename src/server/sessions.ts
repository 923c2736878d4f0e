import { WebStandardStreamableHTTPServerTransport, type Server } from '@modelcontextprotocol/server'
import type { Principal } from '../identity/principal.ts'

/** A protocol session of the 2025 revisions. It is no authentication: every request shows its token again. */
export interface McpSession {
  readonly id: string
  readonly transport: WebStandardStreamableHTTPServerTransport
  readonly client: string | undefined
}

interface Held extends McpSession {
  readonly owner: string
  usedMs: number
}

export interface SessionsOptions {
  readonly sessionsMax: number
  readonly idleMsMax: number
  readonly nowMs: () => number
  readonly id: () => string
}

export interface McpSessions {
  /** Opens a session for this principal on a fresh server; the oldest idle one makes room, and when none is idle there is none. */
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
      if (held.size >= options.sessionsMax && !(await dropIdle(held, options))) return undefined
      const id = options.id()
      const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => id })
      transport.onclose = () => held.delete(id)
      await server.connect(transport)
      const session = { id, transport, client, owner: ownerOf(who), usedMs: options.nowMs() }
      held.set(id, session)
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

async function dropIdle(held: Map<string, Held>, { idleMsMax, nowMs }: SessionsOptions): Promise<boolean> {
  const oldest = [...held.values()].reduce((a, b) => (a.usedMs <= b.usedMs ? a : b))
  if (nowMs() - oldest.usedMs < idleMsMax) return false
  held.delete(oldest.id)
  await oldest.transport.close()
  return true
}
