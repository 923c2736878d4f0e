import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { leafHash } from '../../src/evidence/chain.ts'
import {
  appendLeaf,
  consistencyHolds,
  emptyFrontier,
  hashTree,
  inclusionHolds,
  rootOf,
} from '../../src/evidence/merkle.ts'
import { rootOf as definedRoot } from '../support/log-mutator.ts'

const leaves = Array.from({ length: 200 }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)))
const tree = hashTree(leaves)
const size = fc.integer({ min: 1, max: leaves.length })
const sizeAndIndex = size.chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1)))
const twoSizes = size.chain((second) => fc.tuple(fc.nat(second), fc.constant(second)))

describe('the hash tree, at any size', () => {
  it('has the root its definition gives, however it is computed', () => {
    fc.assert(
      fc.property(size, (size) => {
        const defined = definedRoot(leaves.slice(0, size))
        expect(rootOf(leaves.slice(0, size).reduce(appendLeaf, emptyFrontier))).toEqual(defined)
        expect(tree.root(size)).toEqual(defined)
      }),
    )
  })

  it('proves each leaf, and no other place, leaf or root', () => {
    fc.assert(
      fc.property(sizeAndIndex, fc.nat(), ([size, index], flip) => {
        const path = tree.inclusion(index, size)
        const proof = { leaf: leaves[index] as Buffer, index, size, path, root: tree.root(size) }
        expect(inclusionHolds(proof)).toBe(true)
        expect(inclusionHolds({ ...proof, leaf: flipped(proof.leaf, flip) })).toBe(false)
        expect(inclusionHolds({ ...proof, root: flipped(proof.root, flip) })).toBe(false)
        if (size > 1) {
          expect(inclusionHolds({ ...proof, index: (index + 1) % size })).toBe(false)
          const at = flip % path.length
          expect(inclusionHolds({ ...proof, path: path.with(at, flipped(path[at] as Buffer, flip)) })).toBe(false)
        }
      }),
    )
  })

  it('proves that it grew out of each smaller one, and of nothing else', () => {
    fc.assert(
      fc.property(twoSizes, fc.nat(), ([first, second], flip) => {
        const path = tree.consistency(first, second)
        const proof = { first, second, firstRoot: tree.root(first), secondRoot: tree.root(second), path }
        expect(consistencyHolds(proof)).toBe(true)
        expect(consistencyHolds({ ...proof, firstRoot: flipped(proof.firstRoot, flip) })).toBe(false)
        if (first > 0) expect(consistencyHolds({ ...proof, secondRoot: flipped(proof.secondRoot, flip) })).toBe(false)
        if (path.length > 0) {
          const at = flip % path.length
          expect(consistencyHolds({ ...proof, path: path.with(at, flipped(path[at] as Buffer, flip)) })).toBe(false)
        }
      }),
    )
  })
})

function flipped(bytes: Buffer, bit: number): Buffer {
  const changed = Buffer.from(bytes)
  const at = Math.floor(bit / 8) % changed.length
  changed[at] = (changed[at] ?? 0) ^ (1 << (bit % 8))
  return changed
}
