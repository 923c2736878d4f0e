import { z } from 'zod'
import type { Place, Sight } from '../limits/rollout.ts'
import { ToolRefusal, UpstreamError, type ServiceCall } from '../ports/tool.ts'
import { objectOf, promised } from './reply.ts'

const Health = z.object({
  rolloutPct: z.number().min(0).max(100),
  heldS: z.number().min(0).default(0),
  requests: z.number().min(0),
  errors: z.number().min(0),
})

/** Shortest time a service is asked about, seconds. */
const windowMinS = 0.001

const pathOf = ({ name, env }: Place): string => `/flags/${encodeURIComponent(name)}/${env}`

/**
 * How a flag is doing: what the service counted for it in the last `windowMs`. Undefined when the service cannot be reached,
 * has no such counts, or tells something that cannot be: nobody should act on that.
 */
export async function lookAtFlag(service: ServiceCall, place: Place, windowMs: number): Promise<Sight | undefined> {
  const windowS = Math.max(windowMinS, Math.round(windowMs) / 1000)
  try {
    const reply = await service({
      service: 'flags',
      method: 'GET',
      path: `${pathOf(place)}/health`,
      query: { windowS: String(windowS) },
    })
    const { heldS, ...seen } = promised(Health, objectOf(reply))
    return seen.errors > seen.requests ? undefined : { ...seen, heldMs: heldS * 1000 }
  } catch (error) {
    if (error instanceof UpstreamError || error instanceof ToolRefusal) return undefined
    throw error
  }
}

const Set = z.object({ rolloutPct: z.number() })

/** Sets a flag. Resolves when the service confirms that percentage; rejects with an `UpstreamError` or a `ToolRefusal`. */
export async function putFlag(service: ServiceCall, place: Place, rolloutPct: number): Promise<void> {
  const reply = await service({ service: 'flags', method: 'PUT', path: pathOf(place), body: { rolloutPct } })
  const set = promised(Set, objectOf(reply))
  if (set.rolloutPct !== rolloutPct)
    throw new UpstreamError('upstream_failed', 'unexpected_answer', 'The service set another percentage.')
}
