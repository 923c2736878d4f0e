import type { Halted, HaltQuery } from '../call/halt.ts'
import type { Clock } from '../ports/clock.ts'
import type { Command, Engage, SwitchKind } from './command.ts'
import { ceilings, type Ceiling } from './order.ts'
import { concerns, endings, filedUnder, isFor, placesOf, placesOfGrant } from './reach.ts'

/** A switch that is engaged now. */
export interface Engaged extends Engage {
  /** Until it releases itself. */
  readonly remainingMs: number
}

/** Ceilings ordered for a principal, a tenant or a tool; they only ever lower what configuration allows. */
export type Ceilings = Readonly<Partial<Record<Ceiling, number>>>

type Applied =
  | 'applied'
  /** Older than, or the same as, one already applied. */
  | 'stale'
  /** Releases a switch that is not engaged. */
  | 'unknown'

export interface Switches {
  /** Sequence of the last command applied; -1 before the first. */
  seq(): number
  /**
   * Folds one command in. `replayed` commands were ordered before this process began: nobody knows how long ago on the
   * monotonic clock, so the wall clock alone ends them. Refuses none for want of room: whoever orders asks `count` before.
   */
  apply(command: Command, how?: 'live' | 'replayed'): Applied
  /** What forbids this call now, if anything does. Reads memory only. */
  forbids(query: HaltQuery): Halted | undefined
  limitsFor(query: { readonly tenant: string; readonly actor: string; readonly tool: string }): Ceilings
  /** Rights of a caller that are not revoked. */
  rightsOf(who: RightsQuery): readonly string[]
  /** What is engaged now, oldest first. */
  list(): readonly Engaged[]
  /** How many are engaged now. */
  count(): number
  /** Switches whose time is up and which nobody released yet, so that their end can be written down. A release forgets them. */
  overdue(): readonly Engage[]
}

/** Most switches that may be engaged at one time. */
export const switchesMax = 10_000

export interface RightsQuery {
  readonly tenant: string
  readonly actor: string
  readonly rights: readonly string[]
}

interface Entry {
  readonly order: Engage
  /** Monotonic milliseconds at which its time is up; absent when it was ordered before this process began. */
  readonly endMonoMs?: number
}

/** The fold of all orders: what is forbidden now. An order that is replayed, reordered or old changes nothing. */
export function switches({ clock }: { readonly clock: Clock }): Switches {
  const entries = new Map<string, Entry>()
  const filed = new Map<string, Set<Entry>>()
  let lastSeq = -1

  const monoMs = (): number => Number(clock.monoNs() / 1_000_000n)

  /** Counted on the monotonic clock, where that is known: a wall clock that is set neither releases early nor holds on. */
  function remainingMs({ order, endMonoMs }: Entry): number {
    const leftMs = endMonoMs === undefined ? order.atMs + order.ttlMs - clock.nowMs() : endMonoMs - monoMs()
    return Math.max(0, leftMs)
  }

  function add(entry: Entry): void {
    const place = filedUnder(entry.order)
    entries.set(entry.order.id, entry)
    filed.set(place, (filed.get(place) ?? new Set()).add(entry))
  }

  function remove(entry: Entry): void {
    const place = filedUnder(entry.order)
    const rest = filed.get(place)
    rest?.delete(entry)
    if (rest?.size === 0) filed.delete(place)
    entries.delete(entry.order.id)
  }

  function at(place: string, tenant: string): readonly Entry[] {
    const here = [...(filed.get(place) ?? [])]
    return here.filter((entry) => isFor(entry.order, tenant) && remainingMs(entry) > 0)
  }

  function engaged(kind: SwitchKind, query: HaltQuery): Entry | undefined {
    for (const place of placesOf(kind, query)) {
      const found = at(place, query.tenant).find((entry) => concerns(entry.order, query))
      if (found) return found
    }
    return undefined
  }

  const all = () => [...entries.values()]

  return {
    seq: () => lastSeq,
    apply(command, how = 'live') {
      if (command.seq <= lastSeq) return 'stale'
      const before = entries.get(command.id)
      lastSeq = command.seq
      if (before) remove(before)
      if (command.action === 'release') return before ? 'applied' : 'unknown'
      add({ order: command, ...(how === 'live' && { endMonoMs: monoMs() + command.ttlMs }) })
      return 'applied'
    },
    forbids(query) {
      if (entries.size === 0) return undefined
      for (const kind of endingKinds) {
        const entry = engaged(kind, query)
        if (entry) return halted(entry.order, remainingMs(entry))
      }
      return undefined
    },
    limitsFor({ tenant, actor, tool }) {
      const found = [actor, tenant, tool].flatMap((name) => at(`limits ${name}`, tenant))
      return strictest(found.map(({ order }) => order.set ?? {}))
    },
    rightsOf: ({ tenant, actor, rights }) =>
      rights.filter((right) => placesOfGrant(actor, right).every((place) => at(place, tenant).length === 0)),
    list: () =>
      all()
        .map((entry) => ({ ...entry.order, remainingMs: remainingMs(entry) }))
        .filter((entry) => entry.remainingMs > 0),
    count: () => all().filter((entry) => remainingMs(entry) > 0).length,
    overdue: () =>
      all()
        .filter((entry) => remainingMs(entry) === 0)
        .map(({ order }) => order),
  }
}

const endingKinds = Object.keys(endings) as readonly SwitchKind[]

function halted(order: Engage, remainingMs: number): Halted {
  const { id: switchId, kind, target } = order
  const { code, message } = endings[kind] as NonNullable<(typeof endings)[SwitchKind]>
  return { switchId, kind, target, code, message, retryAfterMs: remainingMs }
}

/** The lowest of each ceiling. */
export function strictest(sets: readonly Ceilings[]): Ceilings {
  const found: Partial<Record<Ceiling, number>> = {}
  for (const set of sets)
    for (const name of ceilings) if (set[name] !== undefined) found[name] = Math.min(found[name] ?? Infinity, set[name])
  return found
}
