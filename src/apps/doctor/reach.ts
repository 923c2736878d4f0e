import { Agent, request } from 'undici'
import type { TlsSource } from '../../adapters/tls-files.ts'
import type { Config } from '../../config/schema.ts'
import type { ServiceTlsSection } from '../../config/tls-section.ts'
import type { Clock } from '../../ports/clock.ts'
import { openTls } from '../tls-sections.ts'

/** A destination of the configuration. */
export interface Place {
  readonly name: string
  readonly url: string
  /** What is shown to it and trusted of it, where it is not what is usual. */
  readonly tls?: ServiceTlsSection
}

/** What came of knocking at a destination. */
export type Reached =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** How far its clock is ahead of ours, milliseconds; undefined when it does not say the time. */
      readonly aheadMs?: number
    }
  | { readonly kind: 'silent'; readonly why: string }
  /** The certificate to ask with cannot be used: that is said elsewhere. */
  | { readonly kind: 'unasked' }

export type Reach = (place: Place) => Promise<Reached>

export interface Reacher {
  readonly reach: Reach
  close(): Promise<void>
}

const timeoutMs = 10_000

/** Knocks at destinations: HEAD, without a credential, with the certificate that is for it. Each is asked once, whoever asks. */
export function reacher(mode: Config['mode'], clock: Clock): Reacher {
  const asked = new Map<string, Promise<Reached>>()
  const agents: Agent[] = []
  const sources: TlsSource[] = []

  async function agentFor({ name, tls }: Place): Promise<Agent> {
    const source = tls && (await openTls({ name, use: 'client', section: tls }, { mode, clock }))
    if (source) sources.push(source)
    const agent = new Agent({ connect: { timeout: timeoutMs, ...source?.current() } })
    agents.push(agent)
    return agent
  }

  async function knock(place: Place): Promise<Reached> {
    const agent = await agentFor(place).catch(() => undefined)
    return agent ? heard(place.url, agent, clock) : { kind: 'unasked' }
  }

  return {
    reach(place) {
      const key = JSON.stringify([place.url, place.tls])
      const known = asked.get(key) ?? knock(place)
      asked.set(key, known)
      return known
    },
    async close() {
      for (const source of sources) source.close()
      await Promise.all(agents.map((agent) => agent.destroy()))
    },
  }
}

async function heard(url: string, agent: Agent, clock: Clock): Promise<Reached> {
  try {
    const beforeMs = clock.nowMs()
    const signal = AbortSignal.timeout(timeoutMs)
    const { statusCode: status, headers, body } = await request(url, { method: 'HEAD', dispatcher: agent, signal })
    await body.dump()
    const date = Date.parse(String(headers['date'] ?? ''))
    // The header is cut to whole seconds.
    const aheadMs = Math.round(date + 500 - (beforeMs + clock.nowMs()) / 2)
    return { kind: 'answered', status, ...(Number.isFinite(date) && { aheadMs }) }
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException
    return { kind: 'silent', why: name === 'TimeoutError' ? 'no answer in time' : (code ?? name) }
  }
}
