import { GrantRefused, type Decision, type GrantRequest } from '../control/request.ts'
import type { GrantDesk } from './grant-desk.ts'
import type { DeskParts } from './grant-open.ts'
import { approvalRefusal, denialRefusal, engaged } from './grant-rules.ts'
import type { GrantStore, StoredRequest } from './grant-store.ts'

/** What people decide, and how that comes into force. */
export function deciding(parts: DeskParts): Pick<GrantDesk, 'approve' | 'deny'> {
  const { store, table, clock, rules, step } = parts
  return {
    async approve(id, decision) {
      const before = await standing(store, id)
      const { request } = before
      const why = await approvalRefusal(rules, table, request, decision.by)
      if (why !== undefined) throw new GrantRefused('refused', `${id} was not approved: ${why}.`)
      const decided = decidedAs('granted', request, decision, clock.nowMs())
      // A stop comes first and its paper after it: one stop too many is the safe mistake.
      await engaged(rules, request, decision.by)
      const granted = await grant(parts, before, withEnd(decided, decision))
      table.keep(granted)
      await store.noteTime()
      return granted.request
    },
    async deny(id, decision) {
      const before = await standing(store, id)
      const { request } = before
      const refusal = denialRefusal(request, decision.by)
      if (refusal !== undefined) throw new GrantRefused('refused', `${id} was not denied: ${refusal}.`)
      const denied = await changed(store, decidedAs('denied', request, decision, clock.nowMs()), before.version)
      table.keep(denied)
      await step('grant.deny', denied.request)
      return denied.request
    },
  }
}

async function standing(store: GrantStore, id: string): Promise<StoredRequest> {
  const stored = await store.find(id)
  if (stored) return stored
  throw new GrantRefused('unknown', `There is no request ${id}. \`sluicegate grant list\` shows those there are.`)
}

async function changed(store: GrantStore, next: GrantRequest, was: number): Promise<StoredRequest> {
  const stored = await store.put(next, was)
  if (stored) return stored
  throw new GrantRefused('refused', `${next.id} was decided by somebody else a moment ago; look at it again.`)
}

/** Evidence first: what is granted without a record of who granted it would be nobody's grant. */
async function grant({ store, step }: DeskParts, before: StoredRequest, decided: GrantRequest): Promise<StoredRequest> {
  const begun = await changed(store, { ...decided, state: 'deciding' }, before.version)
  try {
    await step('grant.approve', decided)
  } catch (error) {
    await store.put(before.request, begun.version)
    throw error
  }
  return changed(store, decided, begun.version)
}

/** Whoever approves may make it shorter than what was asked for, never longer. */
function withEnd(decided: GrantRequest & { readonly decidedMs: number }, { ttlMs = Infinity }: Decision): GrantRequest {
  const lasts = Math.min(ttlMs, decided.ttlMs)
  return { ...decided, ttlMs: lasts, endsMs: decided.decidedMs + lasts }
}

function decidedAs(state: 'granted' | 'denied', request: GrantRequest, { by, note }: Decision, decidedMs: number) {
  return { ...request, state, decidedBy: by, decidedMs, ...(note !== undefined && { note }) }
}
