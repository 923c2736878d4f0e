import { createHash, randomUUID } from 'node:crypto'
import type { Clock } from '../ports/clock.ts'
import { StateFull, type StateStore } from '../ports/state-store.ts'
import type { Principal } from './principal.ts'

export interface GrantWatchParts {
  readonly state: StateStore
  readonly clock: Clock
  /** Most (tenant, actor, scope) that are kept in memory. Forgetting one costs a look into the state. */
  readonly grantsMax: number
  /** Writes down that the caller holds scopes it never held before; resolves when that is durable. */
  readonly report: (who: Principal, scopes: readonly string[], traceId: string) => Promise<void>
}

/** How long a grant that was reported stays known, milliseconds. */
const keptMs = 400 * 24 * 3600 * 1000

/**
 * Reports each scope the first time an actor of a tenant shows it, once, also across restarts. Scopes are marked as known
 * only after the report is durable: a crash between the two reports again rather than never. Gives undefined, at once,
 * when there is nothing to report. Rejects when it cannot report or the state cannot be asked.
 */
export function grantWatch(parts: GrantWatchParts): (who: Principal, traceId: string) => Promise<void> | undefined {
  const known = new Set<string>()
  const underWay = new Map<string, Promise<void>>()

  return (who, traceId) => {
    const unknown = who.scopes.filter((scope) => !known.has(nameOf(who, scope)))
    if (unknown.length === 0) return undefined
    const key = nameOf(who, ...unknown)
    const running = underWay.get(key) ?? look(parts, known, who, unknown, traceId).finally(() => underWay.delete(key))
    underWay.set(key, running)
    return running
  }
}

async function look(
  parts: GrantWatchParts,
  known: Set<string>,
  who: Principal,
  scopes: readonly string[],
  traceId: string,
): Promise<void> {
  const fresh: string[] = []
  for (const scope of scopes) if (!(await isKept(parts, nameOf(who, scope)))) fresh.push(scope)
  if (fresh.length > 0) await parts.report(who, fresh, traceId)
  for (const scope of fresh) await keep(parts, nameOf(who, scope))
  for (const scope of scopes) noteKnown(known, nameOf(who, scope), parts.grantsMax)
}

/** Asks without leaving a trace: what expires at once is not kept. */
async function isKept({ state, clock }: GrantWatchParts, name: string): Promise<boolean> {
  const nowMs = clock.nowMs()
  const mine = randomUUID()
  return (await state.remember(storeKey(name), mine, nowMs, nowMs)) !== mine
}

/** A state that is full costs a second report one day, not the call. */
async function keep({ state, clock }: GrantWatchParts, name: string): Promise<void> {
  const nowMs = clock.nowMs()
  try {
    await state.remember(storeKey(name), 'known', nowMs + keptMs, nowMs)
  } catch (error) {
    if (!(error instanceof StateFull)) throw error
  }
}

function noteKnown(known: Set<string>, name: string, max: number): void {
  known.add(name)
  if (known.size > max) known.delete(known.values().next().value as string)
}

/** One name for (tenant, actor, scopes), whatever they hold. */
function nameOf({ tenant, actor }: Principal, ...scopes: readonly string[]): string {
  return JSON.stringify([tenant, actor.id, ...scopes])
}

function storeKey(name: string): string {
  return `grant/${createHash('sha256').update(name).digest('base64url')}`
}
