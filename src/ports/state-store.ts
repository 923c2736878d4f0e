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

/** One document of a collection, as it is kept. */
export interface Kept {
  readonly id: string
  /** Grows with every write. */
  readonly version: number
  readonly document: JsonObject
  readonly expiresMs: number
}

/** Longest a document may be, as JSON text, bytes. */
const documentBytesMax = 256 * 1024

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
 * - `claim`, `remember` and `write` refuse with `StateFull` rather than evict when they are full;
 * - `write` is atomic: of any number of concurrent writes over one version, exactly one is taken, and the others change nothing;
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
  /** The document of that name, and its version: what the next `write` has to name. */
  read(collection: string, id: string, nowMs: number): Promise<Kept | undefined>
  /**
   * Writes a document over version `was` of it, 0 when there is to be none, and gives its new version. Undefined when that
   * is not the version any more: somebody else was faster, and nothing changed. Refuses one longer than `documentBytesMax`.
   */
  write(collection: string, next: Omit<Kept, 'version'>, was: number, nowMs: number): Promise<number | undefined>
  /** Every document of a collection, in order of their names. */
  list(collection: string, nowMs: number): Promise<readonly Kept[]>
  close(): Promise<void>
}

/** The JSON text of a document. Throws where it is longer than any adapter keeps. */
export function documentText(document: JsonObject): string {
  const text = JSON.stringify(document)
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes <= documentBytesMax) return text
  throw new RangeError(`A document of ${sizeBytes} bytes is too long to keep; at most ${documentBytesMax} are.`)
}
