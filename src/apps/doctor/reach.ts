import { Agent, request } from 'undici'
import type { Clock } from '../../ports/clock.ts'

/** What came of knocking at a destination. */
export type Reached =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** How far its clock is ahead of ours, milliseconds; undefined when it does not say the time. */
      readonly aheadMs?: number
    }
  | { readonly kind: 'silent'; readonly why: string }

export type Reach = (url: string) => Promise<Reached>

const timeoutMs = 4_000

/** Knocks at destinations of the configuration: HEAD, without a credential. Each is asked once, whoever asks. */
export function reacher(clock: Clock): { readonly reach: Reach; close(): Promise<void> } {
  const asked = new Map<string, Promise<Reached>>()
  const agent = new Agent({ connect: { timeout: timeoutMs } })

  async function knock(url: string): Promise<Reached> {
    try {
      const before = clock.nowMs()
      const { statusCode, headers, body } = await request(url, {
        method: 'HEAD',
        dispatcher: agent,
        signal: AbortSignal.timeout(timeoutMs),
      })
      await body.dump()
      const date = Date.parse(String(headers['date'] ?? ''))
      const middleMs = (before + clock.nowMs()) / 2
      // The header is cut to whole seconds.
      const aheadMs = Number.isFinite(date) ? { aheadMs: Math.round(date + 500 - middleMs) } : {}
      return { kind: 'answered', status: statusCode, ...aheadMs }
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException
      return { kind: 'silent', why: name === 'TimeoutError' ? 'no answer in time' : (code ?? name) }
    }
  }

  return {
    reach(url) {
      const known = asked.get(url) ?? knock(url)
      asked.set(url, known)
      return known
    },
    close: () => agent.close(),
  }
}
