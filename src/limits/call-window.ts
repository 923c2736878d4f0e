/** What calls of late say of one place: a sliding window in ten slots, and which tenants saw what in it. */
export interface CallWindow {
  add(nowMs: number, tenant: string, succeeded: boolean): void
  /** Calls and failures that ended within the window. */
  counts(nowMs: number): { readonly calls: number; readonly failures: number }
  /**
   * True when all failures in the window are of one tenant and another's call succeeded within the last `freshMs`: what fails
   * is that tenant's requests, not the place. A place that dies for all is blamed on one for no longer than that.
   */
  blamesOneTenant(nowMs: number): boolean
  clear(): void
}

interface Slot {
  readonly startMs: number
  calls: number
  failures: number
}

export interface CallWindowOptions {
  readonly windowMs: number
  readonly freshMs: number
  /** Most tenants that are told apart; those seen longest ago are forgotten first. */
  readonly tenantsMax: number
}

const slotsCount = 10

export function callWindow({ windowMs, freshMs, tenantsMax }: CallWindowOptions): CallWindow {
  const slotMs = windowMs / slotsCount
  let slots: Slot[] = []
  const failedAt = new Map<string, number>()
  const succeededAt = new Map<string, number>()

  function slotOf(nowMs: number): Slot {
    const last = slots.at(-1)
    if (last && nowMs - last.startMs < slotMs) return last
    const slot = { startMs: nowMs, calls: 0, failures: 0 }
    slots = [...slots.filter(({ startMs }) => nowMs - startMs < windowMs), slot]
    return slot
  }

  return {
    add(nowMs, tenant, succeeded) {
      const slot = slotOf(nowMs)
      slot.calls += 1
      if (!succeeded) slot.failures += 1
      const seen = succeeded ? succeededAt : failedAt
      seen.delete(tenant)
      seen.set(tenant, nowMs)
      if (seen.size > tenantsMax) seen.delete(seen.keys().next().value as string)
    },
    counts(nowMs) {
      const recent = slots.filter(({ startMs }) => nowMs - startMs < windowMs)
      return recent.reduce(
        (sum, { calls, failures }) => ({ calls: sum.calls + calls, failures: sum.failures + failures }),
        { calls: 0, failures: 0 },
      )
    },
    blamesOneTenant(nowMs) {
      const failing = within(failedAt, nowMs, windowMs)
      return failing.length === 1 && within(succeededAt, nowMs, freshMs).some((tenant) => tenant !== failing[0])
    },
    clear() {
      slots = []
      failedAt.clear()
      succeededAt.clear()
    },
  }
}

function within(seen: ReadonlyMap<string, number>, nowMs: number, windowMs: number): readonly string[] {
  return [...seen].filter(([, atMs]) => nowMs - atMs < windowMs).map(([tenant]) => tenant)
}
