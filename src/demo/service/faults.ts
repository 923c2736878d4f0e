import { setTimeout as sleep } from 'node:timers/promises'
import { problem, type Reply } from './route.ts'

/** What to do wrong. Counters go down by one with each request they spoil. */
export interface Faults {
  /** Delay before each answer, milliseconds. */
  latencyMs?: number
  /** Requests to answer with `failStatus` (503) without doing anything. */
  failNext?: number
  failStatus?: number
  /** Requests to fail as long as this is there, by method and path: `GET /flags/x/prod/health?windowS=60`. */
  failOn?: (request: string) => boolean
  /** Requests to cut without doing anything. */
  dropNext?: number
  /** What to wait for before the answer to a request, which is done by then. */
  slowAfter?: (request: string) => Promise<void> | undefined
  /** Requests to do, and then cut instead of answering. */
  dropAfterNext?: number
}

/** Which fault, if any, this request meets. */
export async function hit(faults: Faults, request: string): Promise<'ok' | 'drop' | 'drop-after' | Reply> {
  if (faults.latencyMs) await sleep(faults.latencyMs)
  if (faults.failOn?.(request) === true || take(faults, 'failNext'))
    return problem(faults.failStatus ?? 503, 'unavailable', 'The service is not available.')
  if (take(faults, 'dropNext')) return 'drop'
  return take(faults, 'dropAfterNext') ? 'drop-after' : 'ok'
}

function take(faults: Faults, name: 'failNext' | 'dropNext' | 'dropAfterNext'): boolean {
  const left = faults[name] ?? 0
  if (left > 0) faults[name] = left - 1
  return left > 0
}
