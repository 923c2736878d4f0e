/** Counts what is under way, by key. Holds a key only while something is; `keysMax` bounds that. */
export interface Slots {
  /** True when one more may begin under `key` with at most `max` at once. Takes nothing. */
  free(key: string, max: number): boolean
  take(key: string): void
  give(key: string): void
}

/** Places for calls under way. Beyond `keysMax` keys at one time a new key has no place. */
export function slots(options: { readonly keysMax: number }): Slots {
  const busy = new Map<string, number>()
  return {
    free: (key, max) => (busy.get(key) ?? 0) < max && (busy.has(key) || busy.size < options.keysMax),
    take: (key) => void busy.set(key, (busy.get(key) ?? 0) + 1),
    give(key) {
      const left = (busy.get(key) ?? 0) - 1
      if (left > 0) busy.set(key, left)
      else busy.delete(key)
    },
  }
}
