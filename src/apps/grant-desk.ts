import type { Approval, Question } from '../call/approve.ts'
import type { Decision, GrantRequest, OrderSubject } from '../control/request.ts'
import { elevations, type ElevationAsk, type Elevations } from '../identity/elevation.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import { callApproval } from './grant-call.ts'
import { deciding } from './grant-decide.ts'
import { stepWriter } from './grant-entries.ts'
import { asking, opener } from './grant-open.ts'
import type { GrantRules } from './grant-rules.ts'
import type { GrantStore, StoredRequest } from './grant-store.ts'
import { sweepGrants } from './grant-sweep.ts'
import { grantTable } from './grant-table.ts'

export interface GrantDeskParts {
  readonly store: GrantStore
  readonly log: EvidenceLog
  readonly clock: Clock
  /** A fresh random id for each request. */
  readonly id: () => string
  /** What may be asked for, as configuration stands. */
  readonly rules: GrantRules
  /** Makes a person's sentence fit for evidence. */
  readonly tame: (tenant: string, text: string) => string
  readonly fault: (error: unknown) => void
}

/** Requests for more, people's decisions, and what is granted because of them. */
export interface GrantDesk {
  /** Scopes granted to a principal for a while and still in force. From memory. */
  readonly elevated: Elevations['of']
  /** A request for this scope that waits for a person, to point an agent at. */
  waitingFor(tenant: string, principal: string, scope: string): string | undefined
  /** Requests, newest first: those that wait or grant something, and as many of the others as `listedMax` leaves room for. */
  list(): Promise<readonly GrantRequest[]>
  find(id: string): Promise<GrantRequest | undefined>
  /** Opens a request for rights. Rejects with `GrantRefused` for scopes that cannot be given, or when too many wait. */
  request(ask: ElevationAsk): Promise<GrantRequest>
  /** Opens what configuration asks for, once: what was decided before a restart stays decided. */
  prepare(asks: readonly ElevationAsk[]): Promise<void>
  /** Spends the approval of one exact call, or opens the request for it. */
  ask(question: Question): Promise<Approval>
  /** Asks a person for the switch that a detection wants, once for one `id`. */
  propose(id: string, wanted: Omit<OrderSubject, 'kind'>, waitMs: number): Promise<void>
  /** In force when this resolves: durable and recorded. Rejects with `GrantRefused`, e.g. for who asked for it. */
  approve(id: string, decision: Decision): Promise<GrantRequest>
  /** Refuses a request, or ends before its time what it granted. */
  deny(id: string, decision: Decision): Promise<GrantRequest>
  close(): Promise<void>
}

/** Opens the desk: what was granted before a restart and is not over yet is in force again when this resolves. */
export async function grantDesk(given: GrantDeskParts): Promise<GrantDesk> {
  const { store, clock } = given
  const live = elevations(clock)
  const table = grantTable({ clock, live, knownMs: await store.seenMs() })
  for (const stored of await store.all()) table.keep(await undecided(store, stored))
  const parts = { ...given, table, step: stepWriter(given) }
  const sweeper = sweepGrants(parts)
  const open = opener(parts)
  return {
    elevated: live.of,
    waitingFor: table.waitingFor,
    list: async () => newest((await store.all()).map(({ request }) => request)),
    find: async (id) => (await store.find(id))?.request,
    ...asking(parts, open),
    ask: callApproval(parts, open),
    ...deciding(parts),
    async close() {
      await sweeper.close()
      await store.noteTime()
    },
  }
}

/** Most requests that are listed. What is open is less: the desk takes no more than that at one time. */
const listedMax = 2_000

function newest(requests: readonly GrantRequest[]): readonly GrantRequest[] {
  const isOpen = ({ state }: GrantRequest) => state === 'pending' || state === 'granted'
  const sorted = requests.toSorted((one, other) => other.askedMs - one.askedMs)
  const kept = new Set([...sorted.filter(isOpen), ...sorted.filter((one) => !isOpen(one))].slice(0, listedMax))
  return sorted.filter((one) => kept.has(one))
}

/** A decision that was begun and never recorded is none: the person got no answer and may decide again. */
async function undecided(store: GrantStore, stored: StoredRequest): Promise<StoredRequest> {
  if (stored.request.state !== 'deciding') return stored
  const { decidedBy: _by, decidedMs: _at, note: _note, endsMs: _ends, ...request } = stored.request
  return (await store.put({ ...request, state: 'pending' }, stored.version)) ?? stored
}
