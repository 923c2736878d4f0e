import { rounds } from '../adapters/rounds.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { GrantRules } from './grant-rules.ts'
import { grantStep } from './grant-entries.ts'
import type { GrantStore, StoredRequest } from './grant-store.ts'
import type { GrantTable } from './grant-table.ts'

export interface SweepParts {
  readonly rules: Pick<GrantRules, 'order'>
  readonly store: GrantStore
  readonly log: EvidenceLog
  readonly table: GrantTable
  readonly tame: (tenant: string, text: string) => string
  readonly fault: (error: unknown) => void
}

const sweepEveryMs = 1_000
/** The time is noted once in this many sweeps while anything is granted. */
const notedEvery = 10

/**
 * Writes down that the time of a request, or of what it granted, was up. The end itself waits for nobody: what is over
 * gives nothing from that moment on, whether or not anybody could write it down.
 */
export function sweepGrants(parts: SweepParts): { close(): Promise<void> } {
  const { table } = parts
  let sweeps = 0

  async function sweep(): Promise<void> {
    for (const stored of table.overdue()) await end(parts, stored)
    if ((sweeps += 1) % notedEvery === 0 && table.granted() > 0) await parts.store.noteTime()
  }

  return rounds({ everyMs: sweepEveryMs, run: sweep, fault: parts.fault })
}

async function end(parts: SweepParts, { request, version }: StoredRequest): Promise<void> {
  const { store, log, table, tame, rules } = parts
  table.forget(request.id)
  // A denial has been written down; it is only no longer remembered.
  if (request.state === 'denied') return
  const { what, state } = request
  if (what.kind === 'order' && state === 'pending' && what.unanswered === 'enforce')
    await rules.order(request.id, what.order, what.by)
  const expired = await store.put({ ...request, state: 'expired' }, version)
  if (expired) await log.append(grantStep('grant.expire', expired.request, (text) => tame(request.tenant, text)))
}
