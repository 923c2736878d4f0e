import type { GrantRequest } from '../control/request.ts'
import { term, type Term } from '../control/term.ts'
import type { Elevations } from '../identity/elevation.ts'
import type { Clock } from '../ports/clock.ts'
import type { StoredRequest } from './grant-store.ts'

/** The requests that are not over yet, in memory: what calls look things up in. The state store stays the truth. */
export interface GrantTable {
  /** Takes a request as it stands now; one that is over is let go of, and what it granted ends. */
  keep(stored: StoredRequest): void
  /** Holds a place for one that is about to be written, so that many at once cannot pass the bound. */
  reserve(request: GrantRequest): void
  forget(id: string): void
  has(id: string): boolean
  /** The request about this exact call, while it waits, is granted, or was denied a short while ago. */
  byBinding(binding: string): StoredRequest | undefined
  waitingFor(tenant: string, principal: string, scope: string): string | undefined
  /** How many wait: of one principal, of one tenant, or of all. */
  pending(tenant?: string, principal?: string): number
  /** Milliseconds until the request, or what it granted, is over; 0 for one that is. */
  remainingMs(id: string): number
  /** Requests whose time is up, so that their end can be written down. */
  overdue(): readonly StoredRequest[]
  /** How many hold something in force. */
  granted(): number
}

interface Entry extends StoredRequest {
  readonly term: Term
}

export interface GrantTableParts {
  readonly clock: Clock
  readonly live: Elevations
  /** See `term`. */
  readonly knownMs: number
}

/** How long a denied call stays denied without asking the person again. */
const deniedMs = 3_600_000

export function grantTable({ clock, live, knownMs }: GrantTableParts): GrantTable {
  const entries = new Map<string, Entry>()
  const bindings = new Map<string, string>()
  const known = ({ decidedMs = 0, askedMs }: GrantRequest) => Math.max(knownMs, decidedMs, askedMs)

  function forget(id: string): void {
    const entry = entries.get(id)
    entries.delete(id)
    live.end(id)
    if (entry?.request.what.kind === 'call' && bindings.get(entry.request.what.binding) === id)
      bindings.delete(entry.request.what.binding)
  }

  function add({ request, version }: StoredRequest): void {
    const endsMs = endOf(request)
    if (endsMs === undefined) return
    const own = term(clock, endsMs, known(request))
    entries.set(request.id, { request, version, term: own })
    if (request.what.kind === 'call') bindings.set(request.what.binding, request.id)
    if (request.state === 'granted' && request.what.kind === 'elevation' && own.remainingMs() > 0)
      live.grant({ ...request, scopes: request.what.scopes, endsMs }, known(request))
  }

  function within(id: string | undefined): Entry | undefined {
    const entry = id === undefined ? undefined : entries.get(id)
    return entry && entry.term.remainingMs() > 0 ? entry : undefined
  }

  const all = () => [...entries.values()]

  return {
    keep(stored) {
      forget(stored.request.id)
      add(stored)
    },
    reserve: (request) => add({ request, version: 0 }),
    forget,
    has: (id) => entries.has(id),
    byBinding: (binding) => within(bindings.get(binding)),
    waitingFor: (tenant, principal, scope) =>
      all().find(({ request }) => isWaiting(request) && asksFor(request, tenant, principal, scope))?.request.id,
    pending: (tenant, principal) =>
      all().filter(({ request }) => isWaiting(request) && isOf(request, tenant, principal)).length,
    remainingMs: (id) => within(id)?.term.remainingMs() ?? 0,
    overdue: () => all().filter((entry) => entry.version > 0 && entry.term.remainingMs() === 0),
    granted: () => all().filter(({ request }) => request.state === 'granted').length,
  }
}

const isWaiting = ({ state }: GrantRequest): boolean => state === 'pending'

function isOf(request: GrantRequest, tenant: string | undefined, principal: string | undefined): boolean {
  if (tenant !== undefined && request.tenant !== tenant) return false
  return principal === undefined || request.principal === principal
}

function asksFor(request: GrantRequest, tenant: string, principal: string, scope: string): boolean {
  return isOf(request, tenant, principal) && request.what.kind === 'elevation' && request.what.scopes.includes(scope)
}

/** When a request, or what it granted, is over; undefined when it is over already. */
function endOf({ state, pendingUntilMs, endsMs, decidedMs, what }: GrantRequest): number | undefined {
  if (state === 'pending' || state === 'deciding') return pendingUntilMs
  if (state === 'granted') return endsMs
  return state === 'denied' && what.kind === 'call' && decidedMs !== undefined ? decidedMs + deniedMs : undefined
}
