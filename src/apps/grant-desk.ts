import { createHash } from 'node:crypto'
import type { Approval, Question } from '../call/approve.ts'
import { GrantRefused, type Decision, type GrantRequest, type OrderSubject } from '../control/request.ts'
import { elevations, ElevationAsk, scopesProblem, type Elevations } from '../identity/elevation.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import { grantStep } from './grant-entries.ts'
import { callDraft, elevationDraft, fullness, orderDraft, waitMs, type Draft } from './grant-drafts.ts'
import { approvalRefusal, denialRefusal, engaged, type GrantRules } from './grant-rules.ts'
import type { GrantStore, StoredRequest } from './grant-store.ts'
import { grantTable } from './grant-table.ts'
import { sweepGrants } from './grant-sweep.ts'

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
export async function grantDesk(parts: GrantDeskParts): Promise<GrantDesk> {
  const { store, log, clock, rules } = parts
  const live = elevations(clock)
  const table = grantTable({ clock, live, knownMs: await store.seenMs() })
  for (const stored of await store.all()) table.keep(await undecided(parts, stored))
  const sweeper = sweepGrants({ ...parts, table })
  const opening = new Map<string, Promise<Approval>>()
  const step = (type: Parameters<typeof grantStep>[0], request: GrantRequest) =>
    log.append(grantStep(type, request, (text) => parts.tame(request.tenant, text)))

  async function open(draft: Draft, id = parts.id()): Promise<GrantRequest> {
    const full = fullness(table, draft)
    if (full !== undefined) throw new GrantRefused('full', full)
    const nowMs = clock.nowMs()
    const request: GrantRequest = {
      ...draft.request,
      id,
      state: 'pending',
      askedMs: nowMs,
      pendingUntilMs: nowMs + draft.waitMs,
    }
    table.reserve(request)
    try {
      const stored = await store.put(request, 0)
      if (!stored) throw new GrantRefused('refused', `There is a request ${id} already.`)
      await recorded(stored)
      table.keep(stored)
      return request
    } catch (error) {
      table.forget(id)
      throw error
    }
  }

  /** A request that could not be recorded is none. */
  async function recorded({ request, version }: StoredRequest): Promise<void> {
    try {
      await step('grant.request', request)
    } catch (error) {
      await store.put({ ...request, state: 'expired' }, version)
      throw error
    }
  }

  async function standing(id: string): Promise<StoredRequest> {
    const stored = await store.find(id)
    if (stored) return stored
    throw new GrantRefused('unknown', `There is no request ${id}. \`sluicegate grant list\` shows those there are.`)
  }

  async function changed(next: GrantRequest, was: number): Promise<StoredRequest> {
    const stored = await store.put(next, was)
    if (stored) return stored
    throw new GrantRefused('refused', `${next.id} was decided by somebody else a moment ago; look at it again.`)
  }

  /** Evidence first: what is granted without a record of who granted it would be nobody's grant. */
  async function grant(before: StoredRequest, decided: GrantRequest): Promise<StoredRequest> {
    const deciding = await changed({ ...decided, state: 'deciding' }, before.version)
    try {
      await step('grant.approve', decided)
    } catch (error) {
      await store.put(before.request, deciding.version)
      throw error
    }
    return changed(decided, deciding.version)
  }

  async function spend(stored: StoredRequest): Promise<Approval | undefined> {
    const { request, version } = stored
    const spent = await store.put({ ...request, state: 'spent' }, version)
    table.forget(request.id)
    if (!spent) return undefined
    await step('grant.spend', spent.request)
    return { kind: 'spent', id: request.id, approver: request.decidedBy ?? '' }
  }

  async function openCall(question: Question): Promise<Approval> {
    try {
      const { id } = await open(callDraft(question))
      return { kind: 'pending', id }
    } catch (error) {
      if (error instanceof GrantRefused && error.kind === 'full') return { kind: 'full' }
      throw error
    }
  }

  /** Equal calls at once open one request together. */
  function openOnce(question: Question): Promise<Approval> {
    const { binding } = question
    const running = opening.get(binding) ?? openCall(question).finally(() => opening.delete(binding))
    opening.set(binding, running)
    return running
  }

  return {
    elevated: live.of,
    waitingFor: table.waitingFor,
    list: async () => newest((await store.all()).map(({ request }) => request)),
    find: async (id) => (await store.find(id))?.request,
    async request(ask) {
      const read = ElevationAsk.safeParse(ask)
      const [issue] = read.error?.issues ?? []
      if (!read.success) throw new GrantRefused('refused', `${issue?.path.join('.')}: ${issue?.message}.`)
      const problem = scopesProblem(
        read.data.scopes,
        rules.scopes() ?? read.data.scopes,
        rules.denied(read.data.principal),
      )
      if (problem !== undefined) throw new GrantRefused('refused', `scopes: ${problem}.`)
      return open(elevationDraft(read.data, waitMs.elevation))
    },
    async prepare(asks) {
      for (const ask of asks) {
        const id = `gr-${createHash('sha256').update(JSON.stringify(ask)).digest('hex').slice(0, 16)}`
        if (!(await store.find(id))) await open(elevationDraft(ask, waitMs.configuration), id).catch(parts.fault)
      }
    },
    async ask(question) {
      const found = table.byBinding(question.binding)
      if (found === undefined) return openOnce(question)
      const { id, state } = found.request
      if (state === 'granted') return (await spend(found)) ?? openOnce(question)
      return { kind: state === 'denied' ? 'denied' : 'pending', id }
    },
    async propose(id, wanted, wait) {
      if (!(await store.find(id))) await open(orderDraft(wanted, wait), id)
    },
    async approve(id, { by, note, ttlMs = Infinity }) {
      const before = await standing(id)
      const { request } = before
      const why = await approvalRefusal(rules, table, request, by)
      if (why !== undefined) throw new GrantRefused('refused', `${id} was not approved: ${why}.`)
      const decidedMs = clock.nowMs()
      const lasts = Math.min(ttlMs, request.ttlMs)
      const decided = decidedAs('granted', request, { by, decidedMs, ...(note !== undefined && { note }) })
      // A stop comes first and its paper after it: one stop too many is the safe mistake.
      await engaged(rules, request, by)
      const granted = await grant(before, { ...decided, ttlMs: lasts, endsMs: decidedMs + lasts })
      table.keep(granted)
      await store.noteTime()
      return granted.request
    },
    async deny(id, { by, note }) {
      const before = await standing(id)
      const { request } = before
      const refusal = denialRefusal(request, by)
      if (refusal !== undefined) throw new GrantRefused('refused', `${id} was not denied: ${refusal}.`)
      const decided = decidedAs('denied', request, {
        by,
        decidedMs: clock.nowMs(),
        ...(note !== undefined && { note }),
      })
      const denied = await changed(decided, before.version)
      table.keep(denied)
      await step('grant.deny', denied.request)
      return denied.request
    },
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
async function undecided({ store }: GrantDeskParts, stored: StoredRequest): Promise<StoredRequest> {
  if (stored.request.state !== 'deciding') return stored
  const { decidedBy: _by, decidedMs: _at, note: _note, endsMs: _ends, ...request } = stored.request
  return (await store.put({ ...request, state: 'pending' }, stored.version)) ?? stored
}

function decidedAs(
  state: 'granted' | 'denied',
  request: GrantRequest,
  { by, decidedMs, note }: { readonly by: string; readonly decidedMs: number; readonly note?: string },
): GrantRequest {
  return { ...request, state, decidedBy: by, decidedMs, ...(note !== undefined && { note }) }
}
