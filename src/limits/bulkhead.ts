import type { Clock } from '../ports/clock.ts'

/** How many may be inside at once, and how many may wait for a place. */
export interface BulkheadRules {
  readonly concurrency: number
  readonly waitingMax: number
}

/** Gives a place back, once; later calls do nothing. */
export type Leave = () => void

export type Asked =
  | { readonly kind: 'in' }
  /** `giveUp` is false when the place was granted already. */
  | { readonly kind: 'waiting'; readonly giveUp: () => boolean }
  | { readonly kind: 'full' }

export interface Bulkhead {
  /** Calls `granted` with the way out: now, later, or never, as it answers. */
  ask(tenant: string, granted: (leave: Leave) => void): Asked
  inside(): number
  waiting(): number
  /** When, at the pace of late, those who wait now will have been served, milliseconds. An estimate, at least 100. */
  paceMs(): number
}

/** Weight of the newest stay in the mean. */
const newest = 0.2
const paceMinMs = 100
const paceMaxMs = 60_000

/**
 * Places for calls under way to one service, and a bounded queue for them. Nobody has it to himself: a tenant takes another
 * place, inside or in the queue, only while more are free than it holds there, so that the last ones are for somebody else.
 * A freed place goes round the tenants that wait, each in its own order.
 */
export function bulkhead(rules: BulkheadRules, clock: Clock): Bulkhead {
  const nowMs = () => Number(clock.monoNs() / 1000n) / 1000
  const held = counted()
  const queued = counted()
  const queues = new Map<string, ((leave: Leave) => void)[]>()
  let stayMs = 0

  const mayEnter = (tenant: string) => held.of(tenant) < rules.concurrency - held.total()
  const mayWait = (tenant: string) => queued.of(tenant) < rules.waitingMax - queued.total()

  function enter(tenant: string, granted: (leave: Leave) => void): void {
    held.add(tenant, 1)
    const sinceMs = nowMs()
    let left = false
    granted(() => {
      if (left) return
      left = true
      stayMs += (nowMs() - sinceMs - stayMs) * newest
      held.add(tenant, -1)
      callIn()
    })
  }

  /** Whoever is called in goes to the back of the round. */
  function callIn(): void {
    for (;;) {
      const tenant = [...queues.keys()].find(mayEnter)
      const next = tenant === undefined ? undefined : queues.get(tenant)?.[0]
      if (tenant === undefined || next === undefined) return
      remove(tenant, next)
      enter(tenant, next)
    }
  }

  function remove(tenant: string, waiter: (leave: Leave) => void): boolean {
    const own = queues.get(tenant)
    const at = own?.indexOf(waiter) ?? -1
    if (!own || at < 0) return false
    own.splice(at, 1)
    queued.add(tenant, -1)
    queues.delete(tenant)
    if (own.length > 0) queues.set(tenant, own)
    return true
  }

  return {
    ask(tenant, granted) {
      if (!queues.has(tenant) && mayEnter(tenant)) {
        enter(tenant, granted)
        return { kind: 'in' }
      }
      if (!mayWait(tenant)) return { kind: 'full' }
      const waiter = (leave: Leave) => granted(leave)
      queues.set(tenant, [...(queues.get(tenant) ?? []), waiter])
      queued.add(tenant, 1)
      return { kind: 'waiting', giveUp: () => remove(tenant, waiter) }
    },
    inside: held.total,
    waiting: queued.total,
    paceMs() {
      const ms = Math.ceil((stayMs * (queued.total() + 1)) / rules.concurrency)
      return Math.min(paceMaxMs, Math.max(paceMinMs, ms))
    },
  }
}

/** A count per tenant, and over all. Holds a tenant only while it counts something. */
function counted() {
  const counts = new Map<string, number>()
  let all = 0
  return {
    of: (tenant: string): number => counts.get(tenant) ?? 0,
    total: (): number => all,
    add(tenant: string, by: number): void {
      all += by
      const count = (counts.get(tenant) ?? 0) + by
      if (count > 0) counts.set(tenant, count)
      else counts.delete(tenant)
    },
  }
}
