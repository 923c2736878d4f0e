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
  /** Oldest first. */
  entries(): IterableIterator<[string, Value]>
  clear(): void
}

interface Node<Value> {
  readonly key: string
  value: Value
  older: Node<Value> | undefined
  newer: Node<Value> | undefined
}

/**
 * Keeps at most `countMax` entries, in order of their last `put`. A list of its own holds the order: asking a Map for its first
 * key walks over everything deleted since it last grew, which costs more than all rules together.
 */
export function recent<Value>({ countMax }: { readonly countMax: number }): Recent<Value> {
  const nodes = new Map<string, Node<Value>>()
  let first: Node<Value> | undefined
  let last: Node<Value> | undefined
  let evicted = 0

  function unlink(node: Node<Value>): void {
    if (node.older) node.older.newer = node.newer
    else first = node.newer
    if (node.newer) node.newer.older = node.older
    else last = node.older
  }

  function append(node: Node<Value>): void {
    node.older = last
    node.newer = undefined
    if (last) last.newer = node
    else first = node
    last = node
  }

  function remove(node: Node<Value>): void {
    unlink(node)
    nodes.delete(node.key)
  }

  return {
    get size() {
      return nodes.size
    },
    get evicted() {
      return evicted
    },
    get: (key) => nodes.get(key)?.value,
    put(key, value) {
      const known = nodes.get(key)
      const node = known ?? { key, value, older: undefined, newer: undefined }
      node.value = value
      if (known) unlink(known)
      else nodes.set(key, node)
      append(node)
      if (nodes.size <= countMax || !first) return undefined
      const gone = first
      remove(gone)
      evicted += 1
      return [gone.key, gone.value]
    },
    delete(key) {
      const node = nodes.get(key)
      if (node) remove(node)
    },
    oldest: () => (first ? [first.key, first.value] : undefined),
    *entries() {
      for (let node = first; node; node = node.newer) yield [node.key, node.value]
    },
    clear() {
      nodes.clear()
      first = undefined
      last = undefined
    },
  }
}
