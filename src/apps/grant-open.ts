import { createHash } from 'node:crypto'
import { GrantRefused, type GrantRequest } from '../control/request.ts'
import { ElevationAsk, scopesProblem } from '../identity/elevation.ts'
import type { Clock } from '../ports/clock.ts'
import { elevationDraft, fullness, orderDraft, waitMs, type Draft } from './grant-drafts.ts'
import type { GrantDesk } from './grant-desk.ts'
import type { WriteStep } from './grant-entries.ts'
import type { GrantRules } from './grant-rules.ts'
import type { GrantStore, StoredRequest } from './grant-store.ts'
import type { GrantTable } from './grant-table.ts'

/** What the parts of the desk have in common. */
export interface DeskParts {
  readonly store: GrantStore
  readonly table: GrantTable
  readonly clock: Clock
  readonly rules: GrantRules
  readonly step: WriteStep
  /** A fresh random id for each request. */
  readonly id: () => string
  readonly fault: (error: unknown) => void
}

/** Opens one request. Rejects with `GrantRefused` when too many wait. */
export type OpenRequest = (draft: Draft, id?: string) => Promise<GrantRequest>

export function opener({ store, table, clock, step, ...parts }: DeskParts): OpenRequest {
  /** A request that could not be recorded is none. */
  async function recorded({ request, version }: StoredRequest): Promise<void> {
    try {
      await step('grant.request', request)
    } catch (error) {
      await store.put({ ...request, state: 'expired' }, version)
      throw error
    }
  }

  return async (draft, id = parts.id()) => {
    const full = fullness(table, draft)
    if (full !== undefined) throw new GrantRefused('full', full)
    const askedMs = clock.nowMs()
    const times = { askedMs, pendingUntilMs: askedMs + draft.waitMs }
    const request: GrantRequest = { ...draft.request, id, state: 'pending', ...times }
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
}

/** Requests that operators, configuration and detections make. */
export function asking(
  { store, rules, fault }: DeskParts,
  open: OpenRequest,
): Pick<GrantDesk, 'request' | 'prepare' | 'propose'> {
  return {
    async request(ask) {
      return open(elevationDraft(fit(rules, ask), waitMs.elevation))
    },
    async prepare(asks) {
      for (const ask of asks) {
        const id = `gr-${createHash('sha256').update(JSON.stringify(ask)).digest('hex').slice(0, 16)}`
        if (!(await store.find(id))) await open(elevationDraft(ask, waitMs.configuration), id).catch(fault)
      }
    },
    async propose(id, wanted, wait) {
      if (!(await store.find(id))) await open(orderDraft(wanted, wait), id)
    },
  }
}

/** The request as its schema reads it. Throws `GrantRefused` for one that could never be approved. */
function fit(rules: GrantRules, ask: ElevationAsk): ElevationAsk {
  const read = ElevationAsk.safeParse(ask)
  const [issue] = read.error?.issues ?? []
  if (!read.success) throw new GrantRefused('refused', `${issue?.path.join('.')}: ${issue?.message}.`)
  const { scopes, principal } = read.data
  const problem = scopesProblem(scopes, rules.scopes() ?? scopes, rules.denied(principal))
  if (problem !== undefined) throw new GrantRefused('refused', `scopes: ${problem}.`)
  return read.data
}
