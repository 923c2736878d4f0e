import { hash } from 'node:crypto'
import { nodeHash } from './chain.ts'

/** What is needed to go on appending: the roots of the complete subtrees, largest first (at most 53). */
export interface Frontier {
  readonly size: number
  readonly peaks: readonly Buffer[]
}

export const emptyFrontier: Frontier = { size: 0, peaks: [] }

/** The frontier with one more leaf hash. */
export function appendLeaf({ size, peaks }: Frontier, leaf: Buffer): Frontier {
  const next = peaks.slice()
  let node = leaf
  // Each trailing one bit of the old size is a complete subtree that the new node now closes.
  for (let rest = size; rest % 2 === 1; rest = Math.floor(rest / 2)) node = nodeHash(next.pop() as Buffer, node)
  next.push(node)
  return { size: size + 1, peaks: next }
}

/** RFC 6962 root hash of everything appended. */
export function rootOf({ peaks }: Frontier): Buffer {
  const last = peaks.at(-1)
  if (last === undefined) return hash('sha256', Buffer.alloc(0), 'buffer')
  return peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
}

/** A whole tree in memory: 64 bytes per leaf, each proof in O(log² n) hashes. */
export interface HashTree {
  readonly size: number
  /** Root of the first `size` leaves. */
  root(size?: number): Buffer
  /** RFC 6962 §2.1.1: the path from a leaf to the root of the first `size` leaves. */
  inclusion(index: number, size?: number): readonly Buffer[]
  /** RFC 6962 §2.1.2: that the first `first` leaves are a prefix of the first `second`. */
  consistency(first: number, second?: number): readonly Buffer[]
}

/** The tree over leaf hashes. Its methods refuse, with a RangeError, an index or size outside the tree. */
export function hashTree(leaves: readonly Buffer[]): HashTree {
  const levels = completeLevels(leaves)

  /** Root of leaves [begin, end). Aligned subtrees of a power of two are looked up, the rest is split as RFC 6962 says. */
  const range = (begin: number, end: number): Buffer => {
    const width = end - begin
    if (width === 0) return rootOf(emptyFrontier)
    const height = Math.log2(width)
    if (Number.isInteger(height)) return levels[height]?.[begin / width] as Buffer
    const split = begin + splitOf(width)
    return nodeHash(range(begin, split), range(split, end))
  }

  const path = (index: number, begin: number, end: number): Buffer[] => {
    if (end - begin === 1) return []
    const split = begin + splitOf(end - begin)
    return index < split
      ? [...path(index, begin, split), range(split, end)]
      : [...path(index, split, end), range(begin, split)]
  }

  const subproof = (first: number, begin: number, end: number, whole: boolean): Buffer[] => {
    if (first === end) return whole ? [] : [range(begin, end)]
    const split = begin + splitOf(end - begin)
    return first <= split
      ? [...subproof(first, begin, split, whole), range(split, end)]
      : [...subproof(first, split, end, false), range(begin, split)]
  }

  return {
    size: leaves.length,
    root(size = leaves.length) {
      within(size, 0, leaves.length)
      return range(0, size)
    },
    inclusion(index, size = leaves.length) {
      within(size, 1, leaves.length)
      within(index, 0, size - 1)
      return path(index, 0, size)
    },
    consistency(first, second = leaves.length) {
      within(second, 0, leaves.length)
      within(first, 0, second)
      return first === 0 || first === second ? [] : subproof(first, 0, second, true)
    },
  }
}

/** True when the path proves that `leaf` is number `index` of the `size` leaves under `root` (RFC 9162 §2.1.3.2). */
export function inclusionHolds(proof: {
  readonly leaf: Buffer
  readonly index: number
  readonly size: number
  readonly path: readonly Buffer[]
  readonly root: Buffer
}): boolean {
  const { index, size, path } = proof
  if (!isSize(index) || !isSize(size) || index >= size) return false
  let position = index
  let last = size - 1
  let node = proof.leaf
  for (const sibling of path) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      node = nodeHash(sibling, node)
      while (position % 2 === 0 && position !== 0) [position, last] = [position / 2, Math.floor(last / 2)]
    } else node = nodeHash(node, sibling)
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && node.equals(proof.root)
}

/** True when the path proves that the smaller tree is a prefix of the larger (RFC 9162 §2.1.4.2). */
export function consistencyHolds(proof: {
  readonly first: number
  readonly second: number
  readonly firstRoot: Buffer
  readonly secondRoot: Buffer
  readonly path: readonly Buffer[]
}): boolean {
  const { first, second, firstRoot, secondRoot, path } = proof
  if (!isSize(first) || !isSize(second) || first > second) return false
  if (first === second) return path.length === 0 && firstRoot.equals(secondRoot)
  if (first === 0) return path.length === 0 && firstRoot.equals(rootOf(emptyFrontier))
  // A first tree that is a complete subtree is not repeated in the path.
  const nodes = Number.isInteger(Math.log2(first)) ? [firstRoot, ...path] : [...path]
  const seed = nodes.shift()
  if (seed === undefined) return false
  let position = first - 1
  let last = second - 1
  while (position % 2 === 1) [position, last] = [Math.floor(position / 2), Math.floor(last / 2)]
  let [older, newer] = [seed, seed]
  for (const node of nodes) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      older = nodeHash(node, older)
      newer = nodeHash(node, newer)
      while (position % 2 === 0 && position !== 0) [position, last] = [position / 2, Math.floor(last / 2)]
    } else newer = nodeHash(newer, node)
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && older.equals(firstRoot) && newer.equals(secondRoot)
}

function completeLevels(leaves: readonly Buffer[]): readonly (readonly Buffer[])[] {
  const levels: Buffer[][] = [leaves.slice()]
  for (let below = levels[0] as Buffer[]; below.length > 1;) {
    const level: Buffer[] = []
    for (let index = 0; index + 1 < below.length; index += 2)
      level.push(nodeHash(below[index] as Buffer, below[index + 1] as Buffer))
    levels.push(level)
    below = level
  }
  return levels
}

/** The largest power of two below `width`. */
function splitOf(width: number): number {
  return 2 ** (Math.ceil(Math.log2(width)) - 1)
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function within(value: number, min: number, max: number): void {
  if (!isSize(value) || value < min || value > max) throw new RangeError(`${value} lies outside ${min} to ${max}.`)
}
