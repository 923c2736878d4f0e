import type { Json, JsonObject } from '../ports/json.ts'
import type { Fields, Place } from './fields.ts'
import { stricter } from './fields.ts'
import type { Mode } from './finding.ts'
import type { KeyFacts } from './keys.ts'
import { keyFacts } from './keys.ts'
import type { Meter } from './meter.ts'

/** What a member becomes when it goes: nothing. */
export const dropped: unique symbol = Symbol('dropped')

/** A string, number or boolean, and what is known of where it stands. */
export interface Leaf {
  readonly value: string | number | boolean
  /** The nearest member name above it; array elements share their array's. */
  readonly key: KeyFacts | undefined
  /** The mode of the field rules that match it or a value around it. */
  readonly mode: Mode | undefined
  readonly depth: number
  readonly place: Place
  /** Dotted path, made only when asked for. */
  path(): string
}

export interface Visitor {
  /** The value to put in the leaf's place: itself when nothing is to change. */
  leaf(leaf: Leaf): Json | typeof dropped
  /** The name to use for a member; `shown` is the name as paths may show it. */
  name(key: string, path: () => string): { readonly name: string | typeof dropped; readonly shown: string }
}

/**
 * Walks a parsed value, names included, and builds the rewritten one. What does not change is the same object as before; the input is
 * never touched. Throws `ScanLimit` beyond the meter's depth and nodes.
 */
export function rewrite(
  value: Json,
  fields: Fields,
  visitor: Visitor,
  work: Meter,
  from: Origin = origin(fields),
): Json | typeof dropped {
  const path = [...from.path]

  function walk(
    value: Json,
    place: Place,
    key: KeyFacts | undefined,
    mode: Mode | undefined,
    depth: number,
  ): Json | typeof dropped {
    work.node(depth)
    if (value === null) return mode === 'drop' ? dropped : value
    if (typeof value !== 'object') return visitor.leaf({ value, key, mode, depth, place, path: () => path.join('.') })
    const next = Array.isArray(value)
      ? elements(value, place, key, mode, depth)
      : members(value as JsonObject, place, mode, depth)
    return mode === 'drop' ? dropped : next
  }

  function elements(
    list: readonly Json[],
    place: Place,
    key: KeyFacts | undefined,
    mode: Mode | undefined,
    depth: number,
  ): Json {
    const out: Json[] = []
    let changed = false
    for (const [i, item] of list.entries()) {
      const at = fields.enter(place, String(i), true)
      path.push(String(i))
      const next = walk(item, at.place, key, stricter(mode, at.mode), depth + 1)
      path.pop()
      changed ||= next !== item
      if (next !== dropped) out.push(next)
    }
    return changed ? out : list
  }

  function members(object: JsonObject, place: Place, mode: Mode | undefined, depth: number): Json {
    const out: Record<string, Json> = {}
    let changed = false
    for (const key of Object.keys(object)) {
      const { name, shown } = visitor.name(key, () => path.join('.'))
      const at = fields.enter(place, key, false)
      path.push(shown)
      const item = object[key] ?? null
      const next = name === dropped ? dropped : walk(item, at.place, keyFacts(key), stricter(mode, at.mode), depth + 1)
      path.pop()
      changed ||= next !== item || name !== key
      if (next !== dropped && name !== dropped) put(out, name, next)
    }
    return changed ? out : object
  }

  return walk(value, from.place, from.key, from.mode, from.depth)
}

/** Where a walk starts: at the root, or inside a string that holds JSON. */
export interface Origin {
  readonly place: Place
  readonly key: KeyFacts | undefined
  readonly mode: Mode | undefined
  readonly depth: number
  readonly path: readonly string[]
}

function origin(fields: Fields): Origin {
  return { place: fields.root, key: undefined, mode: undefined, depth: 0, path: [] }
}

/** Adds a member under a name not yet taken. Defined, not assigned: `__proto__` is a name like any other. */
function put(out: Record<string, Json>, name: string, value: Json): void {
  let free = name
  for (let i = 2; Object.hasOwn(out, free); i++) free = `${name}#${i}`
  Object.defineProperty(out, free, { value, enumerable: true, configurable: true, writable: true })
}
