import { rounds } from '../adapters/rounds.ts'
import type { GrantRequest } from '../control/request.ts'
import type { WriteStep } from './grant-entries.ts'
import { unanswered, type GrantRules } from './grant-rules.ts'
import type { GrantStore, StoredRequest } from './grant-store.ts'
import type { GrantTable } from './grant-table.ts'

export interface SweepParts {
  readonly rules: Pick<GrantRules, 'order'>
  readonly store: GrantStore
  readonly table: GrantTable
  readonly step: WriteStep
  readonly fault: (error: unknown) => void
}

const sweepEveryMs = 1_000
/** The time is noted once in this many sweeps while anything is granted. */
const notedEvery = 10

/**
 * Writes down that the time of a request, or of what it granted, was up. The end itself waits for nobody: what is over
 * gives nothing from that moment on, whether or not anybody could write it down. What could not be written down is tried
 * again with the next sweep, and keeps nothing else waiting.
 */
export function sweepGrants(parts: SweepParts): { close(): Promise<void> } {
  const { table } = parts
  let failed = new Set<string>()
  let sweeps = 0

  async function sweep(): Promise<void> {
    const before = failed
    failed = new Set()
    for (const stored of table.overdue())
      await end(parts, stored).catch((error: unknown) => again(stored, before, error))
    if ((sweeps += 1) % notedEvery === 0 && table.granted() > 0) await parts.store.noteTime()
  }

  /** One failure is told once, however often it is met. Whoever decided meanwhile has the last word. */
  function again(stored: StoredRequest, before: ReadonlySet<string>, error: unknown): void {
    const { id } = stored.request
    if (!before.has(id)) parts.fault(error)
    failed.add(id)
    if (!table.has(id)) table.keep(stored)
  }

  return rounds({ everyMs: sweepEveryMs, run: sweep, fault: parts.fault })
}

async function end(parts: SweepParts, { request, version }: StoredRequest): Promise<void> {
  const { store, table, rules } = parts
  table.forget(request.id)
  // A denial has been written down; it is only no longer remembered.
  if (request.state === 'denied') return
  const refused = await unanswered(rules, request)
  const expired = await store.put({ ...request, state: 'expired' }, version)
  if (!expired) return
  await recorded(parts, expired, request, refused)
  if (refused !== undefined)
    parts.fault(new Error(`Nobody decided ${request.id}, and the switch it asks for was refused: ${refused}`))
}

/** An end that cannot be recorded has not been written down: it waits for the next sweep as it was. */
async function recorded(
  { store, table, step }: SweepParts,
  { request: expired, version }: StoredRequest,
  before: GrantRequest,
  refused: string | undefined,
): Promise<void> {
  try {
    await step('grant.expire', expired, refused)
  } catch (error) {
    const back = await store.put(before, version)
    if (back) table.keep(back)
    throw error
  }
}
