import type { JsonObject } from './json.ts'

/** What was known of an idempotency key when it was claimed. */
export type Claim =
  | { readonly kind: 'new' }
  /** Done before: the first answer, as it was stored. */
  | { readonly kind: 'done'; readonly answer: JsonObject }
  /** The same key is being worked on in a call that has not ended. */
  | { readonly kind: 'running' }
  /** The key was used for another tool or other arguments. */
  | { readonly kind: 'conflict' }
  /** An intent without an outcome: nobody knows whether it took effect. */
  | { readonly kind: 'unknown' }

/** There is no room for another entry. Nothing was evicted to make some: what a caller cannot store, it must refuse. */
export class StateFull extends Error {
  constructor(what: string, max: number) {
    super(`The state holds ${max} ${what} and takes no more until some expire.`)
    this.name = 'StateFull'
  }
}

/**
 * State that outlives a call and, where the adapter says so, the process.
 *
 * Promises, run on every adapter by the contract test:
 * - `claim` is atomic: of any number of concurrent claims of one key, exactly one is answered `new`;
 * - a claim that was never settled answers `unknown` after a restart, never `new`;
 * - `spend` is atomic and never loses an amount once it resolved;
 * - `claim` and `remember` refuse with `StateFull` rather than evict when they are full;
 * - what has expired counts as absent.
 */
export interface StateStore {
  /** Claims an idempotency key for one body. `key` is already bound to tenant and tool. */
  claim(key: string, bodyDigest: string, nowMs: number): Promise<Claim>
  /** Stores the answer of a claimed key until `expiresMs`. */
  settle(key: string, answer: JsonObject, expiresMs: number): Promise<void>
  /** Gives a claimed key back: nothing happened under it. */
  release(key: string): Promise<void>
  /** Marks a claimed key as one whose effect nobody knows. */
  doubt(key: string): Promise<void>
  /** Adds micro-dollars to an account's total for one UTC day (`2026-11-20`) and gives the new total. Less than zero gives back, never below zero in all. */
  spend(account: string, day: string, microUsd: number): Promise<number>
  /** What an account has spent on a day, in micro-dollars. */
  spent(account: string, day: string): Promise<number>
  /**
   * Remembers that `key` belongs to `holder` until `expiresMs`. Gives the holder in force: the first one wins.
   * An expiry that is not after `nowMs` only asks: nothing is stored.
   */
  remember(key: string, holder: string, expiresMs: number, nowMs: number): Promise<string>
  close(): Promise<void>
}
