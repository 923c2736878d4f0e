/** A bounded map that forgets what was used longest ago. */
export interface Recent<Value> {
  readonly size: number
  /** How many entries had to go because the map was full. */
  readonly evicted: number
  get(key: string): Value | undefined
  /** Stores a value and makes it the newest. Gives back the entry that had to go, if one did. */
  put(key: string, value: Value): readonly [string, Value] | undefined
  delete(key: string): void
  oldest(): readonly [string, Value] | undefined
  entries(): IterableIterator<[string, Value]>
  clear(): void
}

/** Keeps at most `countMax` entries, in order of their last `put`. */
export function recent<Value>({ countMax }: { readonly countMax: number }): Recent<Value> {
  const map = new Map<string, Value>()
  let evicted = 0
  const oldest = () => map.entries().next().value
  return {
    get size() {
      return map.size
    },
    get evicted() {
      return evicted
    },
    get: (key) => map.get(key),
    put(key, value) {
      map.delete(key)
      map.set(key, value)
      if (map.size <= countMax) return undefined
      const gone = oldest()!
      map.delete(gone[0])
      evicted += 1
      return gone
    },
    delete: (key) => void map.delete(key),
    oldest,
    entries: () => map.entries(),
    clear: () => map.clear(),
  }
}
