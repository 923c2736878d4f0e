import type { Halted, HaltQuery } from '../call/halt.ts'
import type { Clock } from '../ports/clock.ts'
import type { Command, Engage, SwitchKind } from './command.ts'
import { ceilings, type Ceiling } from './order.ts'
import { concerns, endings, filedUnder, placesOf } from './reach.ts'

/** A switch that is engaged now. */
export interface Engaged extends Engage {
  /** Until it releases itself, by the slower of the two clocks. */
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
   * monotonic clock, so the wall clock alone ends them. Throws when `switchesMax` switches are engaged: none is forgotten.
   */
  apply(command: Command, how?: 'live' | 'replayed'): Applied
  /** What forbids this call now, if anything does. Reads memory only. */
  forbids(query: HaltQuery): Halted | undefined
  limitsFor(query: { readonly tenant: string; readonly actor: string; readonly tool: string }): Ceilings
  /** True while the consumer group is paused. */
  paused(consumer: string): boolean
  /** What is engaged now, oldest first. */
  list(): readonly Engaged[]
  /** Forgets switches whose time is up, and gives them, so that their end can be written down. */
  expire(): readonly Engage[]
}

interface Entry {
  readonly order: Engage
  /** Monotonic milliseconds at which its time is up; absent when it was ordered before this process began. */
  readonly endMonoMs?: number
}

/** The fold of all orders: what is forbidden now. An order that is replayed, reordered or old changes nothing. */
export function switches(options: { readonly clock: Clock; readonly switchesMax?: number }): Switches {
  const { clock, switchesMax = 10_000 } = options
  const entries = new Map<string, Entry>()
  const filed = new Map<string, readonly Entry[]>()
  let lastSeq = -1

  const monoMs = (): number => Number(clock.monoNs() / 1_000_000n)

  /** Both clocks must agree that the time is up: a clock that was set forward releases nothing early. */
  function remainingMs({ order, endMonoMs }: Entry): number {
    const byWall = order.atMs + order.ttlMs - clock.nowMs()
    return Math.max(0, byWall, endMonoMs === undefined ? 0 : endMonoMs - monoMs())
  }

  function add(entry: Entry): void {
    const place = filedUnder(entry.order)
    entries.set(entry.order.id, entry)
    filed.set(place, [...(filed.get(place) ?? []), entry])
  }

  function remove(entry: Entry): void {
    const place = filedUnder(entry.order)
    const rest = (filed.get(place) ?? []).filter((other) => other !== entry)
    entries.delete(entry.order.id)
    if (rest.length === 0) filed.delete(place)
    else filed.set(place, rest)
  }

  function engaged(kind: SwitchKind, query: HaltQuery): Entry | undefined {
    for (const place of placesOf(kind, query)) {
      const found = filed.get(place)?.find((entry) => concerns(entry.order, query) && remainingMs(entry) > 0)
      if (found) return found
    }
    return undefined
  }

  function expire(): readonly Engage[] {
    const over = [...entries.values()].filter((entry) => remainingMs(entry) === 0)
    for (const entry of over) remove(entry)
    return over.map(({ order }) => order)
  }

  return {
    seq: () => lastSeq,
    apply(command, how = 'live') {
      if (command.seq <= lastSeq) return 'stale'
      const before = entries.get(command.id)
      if (command.action === 'engage' && before === undefined && entries.size >= switchesMax) {
        throw new Error(`${switchesMax} switches are engaged; release some before engaging more.`)
      }
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
    limitsFor: (query) => (entries.size === 0 ? {} : lowest(query, filed, remainingMs)),
    paused: (consumer) => (filed.get(`consumer ${consumer}`) ?? []).some((entry) => remainingMs(entry) > 0),
    list: () =>
      [...entries.values()]
        .map((entry) => ({ ...entry.order, remainingMs: remainingMs(entry) }))
        .filter((entry) => entry.remainingMs > 0),
    expire,
  }
}

const endingKinds = Object.keys(endings) as readonly SwitchKind[]

function halted(order: Engage, remainingMs: number): Halted {
  const { id: switchId, kind, target } = order
  const { code, message } = endings[kind] as NonNullable<(typeof endings)[SwitchKind]>
  return { switchId, kind, target, code, message, retryAfterMs: remainingMs }
}

/** The strictest of all that concern the caller. */
function lowest(
  { tenant, actor, tool }: { readonly tenant: string; readonly actor: string; readonly tool: string },
  filed: ReadonlyMap<string, readonly Entry[]>,
  remainingMs: (entry: Entry) => number,
): Ceilings {
  const found: Partial<Record<Ceiling, number>> = {}
  for (const key of [actor, tenant, tool]) {
    for (const entry of filed.get(`limits ${key}`) ?? []) {
      const { set, tenant: only } = entry.order
      if ((only !== undefined && only !== tenant) || remainingMs(entry) === 0) continue
      for (const name of ceilings)
        if (set?.[name] !== undefined) found[name] = Math.min(found[name] ?? Infinity, set[name])
    }
  }
  return found
}
