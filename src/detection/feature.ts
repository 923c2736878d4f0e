import type { Json } from '../ports/json.ts'
import type { Category, Fields } from './event.ts'

/**
 * A field computed before rules see an event, with bounded memory. `read` changes nothing; `learn` follows it for the same event,
 * once the rules have spoken, so that what raised an alert teaches nothing. A field that is not ready is `null`, never 0.
 */
export interface Feature {
  /** The fields this event gets. Missing inputs give no field. */
  read(fields: Fields, atMs: number, kind: Category): Readonly<Record<string, Json>>
  /** `quiet` is false when the event raised a finding of medium severity or more. */
  learn(fields: Fields, atMs: number, quiet: boolean): void
  /** Some event of this session raised such a finding. */
  flag?(fields: Fields): void
  /** Time has come this far, whether or not events came. */
  watermark?(atMs: number): void
  /** Learns as if told, for examples in rule files. The group is the key of `by`. */
  prime?(group: string, known: Primer): void
  snapshot(): Json
  restore(state: Json): void
  /** Entries that had to go because a table was full. */
  evicted(): number
}

export interface Primer {
  readonly atMs: number
  readonly seen?: readonly string[]
  readonly spread?: { readonly n: number; readonly median: number; readonly mad: number }
}

/** Values of `by` as one key; undefined when one is missing, so that the event joins no group. */
export function groupOf(fields: Fields, by: readonly string[]): string | undefined {
  let key = ''
  for (let at = 0; at < by.length; at++) {
    const value = fields[by[at]!]
    if (value === undefined || value === null) return undefined
    key += (at === 0 ? '' : '\u001f') + (typeof value === 'object' ? JSON.stringify(value) : String(value))
  }
  return key
}
