import type { StateStore } from '../ports/state-store.ts'

/** One account that a call is charged to, with its ceiling for a day. */
export interface Account {
  readonly key: string
  readonly limitMicroUsd?: number
}

export type Charge =
  | { readonly ok: true; readonly usedMicroUsd: number; readonly day: string }
  | { readonly ok: false; readonly usedMicroUsd: number; readonly exhausted: Required<Account> }

export interface Budgets {
  /**
   * Charges the amount to all accounts before the call runs, or to none. The first account's total is what is reported.
   * Charging first means that no number of calls at once, on any number of replicas, spends more than the ceiling.
   */
  charge(accounts: readonly Account[], microUsd: number, nowMs: number): Promise<Charge>
  /** Corrects a charge once the true cost is known: less gives back, more adds. */
  correct(accounts: readonly Account[], day: string, byMicroUsd: number): Promise<void>
}

/** Daily budgets in micro-dollars, kept in the state so that they survive a restart. A day is a UTC day. */
export function budgets(options: { readonly state: StateStore; readonly accountsMax: number }): Budgets {
  const { state, accountsMax } = options
  const known = new Map<string, { readonly day: string; readonly microUsd: number }>()

  /** The last total seen, for accounts without a ceiling: a number to show, not to judge by. */
  async function shown(key: string, day: string): Promise<number> {
    const last = known.get(key)
    if (last?.day === day) return last.microUsd
    return note(key, day, await state.spent(key, day))
  }

  function note(key: string, day: string, microUsd: number): number {
    known.set(key, { day, microUsd })
    if (known.size > accountsMax) known.delete(known.keys().next().value as string)
    return microUsd
  }

  async function total({ key, limitMicroUsd }: Account, day: string, microUsd: number): Promise<number> {
    if (microUsd !== 0) return note(key, day, await state.spend(key, day, microUsd))
    return limitMicroUsd === undefined ? shown(key, day) : note(key, day, await state.spent(key, day))
  }

  async function correct(accounts: readonly Account[], day: string, byMicroUsd: number): Promise<void> {
    if (byMicroUsd === 0) return
    for (const { key } of accounts) note(key, day, await state.spend(key, day, byMicroUsd))
  }

  return {
    correct,
    async charge(accounts, microUsd, nowMs) {
      const day = dayOf(nowMs)
      const totals: number[] = []
      for (const [index, account] of accounts.entries()) {
        const used = await total(account, day, microUsd)
        totals.push(used)
        if (isExhausted(account, used, microUsd)) {
          await correct(accounts.slice(0, index + 1), day, -microUsd)
          return { ok: false, usedMicroUsd: Math.max(0, (totals[0] ?? 0) - microUsd), exhausted: account }
        }
      }
      return { ok: true, usedMicroUsd: totals[0] ?? 0, day }
    },
  }
}

/** Over the ceiling with this call. A call without a price of its own may still turn out to cost: at the ceiling it is refused too. */
function isExhausted(account: Account, used: number, microUsd: number): account is Required<Account> {
  const { limitMicroUsd } = account
  if (limitMicroUsd === undefined) return false
  return used > limitMicroUsd || (microUsd === 0 && used === limitMicroUsd && used > 0)
}

/** The UTC day, e.g. `2026-11-20`. */
export function dayOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 10)
}

/** Milliseconds until the next UTC day begins. */
export function untilNextDayMs(nowMs: number): number {
  const dayMs = 24 * 3600 * 1000
  return dayMs - (((nowMs % dayMs) + dayMs) % dayMs)
}
