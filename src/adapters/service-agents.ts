import type { SecureContextOptions } from 'node:tls'
import { Agent } from 'undici'
import type { TlsSource } from './tls-files.ts'

/** What connections to services go through. */
export interface ServiceAgents {
  /**
   * Runs one call with the agent that shows and trusts what is in force for a service; the same one for all services that say
   * nothing. A call that began before a reload may still go where nothing is in force any more: it has an agent to itself.
   */
  use<T>(tls: TlsSource | undefined, call: (agent: Agent) => Promise<T>): Promise<T>
  /** Closes idle sockets and waits for calls under way. */
  close(): Promise<void>
}

const connectTimeoutMs = 10_000

/**
 * One agent for each certificate. When a certificate changes, calls from then on go through a new agent and those under
 * way end on the old one.
 */
export function serviceAgents(make: (context: SecureContextOptions) => Agent = agentWith): ServiceAgents {
  const plain = make({ minVersion: 'TLSv1.3' })
  const agents = new Map<TlsSource, Agent>()
  const leaving = new Set<Promise<void>>()

  function leave(agent: Agent): void {
    const left = agent.close().catch(() => undefined)
    leaving.add(left)
    void left.finally(() => leaving.delete(left))
  }

  function open(tls: TlsSource): Agent {
    const agent = make(tls.current())
    agents.set(tls, agent)
    tls.follow((context) => {
      const old = agents.get(tls)
      agents.set(tls, make(context))
      if (old) leave(old)
    })
    tls.onClose(() => {
      const old = agents.get(tls)
      agents.delete(tls)
      if (old) leave(old)
    })
    return agent
  }

  async function late<T>(tls: TlsSource, call: (agent: Agent) => Promise<T>): Promise<T> {
    const agent = make(tls.current())
    try {
      return await call(agent)
    } finally {
      leave(agent)
    }
  }

  return {
    async use(tls, call) {
      if (!tls) return call(plain)
      return tls.isClosed() ? late(tls, call) : call(agents.get(tls) ?? open(tls))
    },
    async close() {
      await Promise.all([plain, ...agents.values()].map((agent) => agent.close()))
      await Promise.all(leaving)
    },
  }
}

/** Time is kept per call, and the places of the gate bound the sockets. */
function agentWith(context: SecureContextOptions): Agent {
  return new Agent({ connect: { timeout: connectTimeoutMs, ...context }, headersTimeout: 0, bodyTimeout: 0 })
}
