import { describe, expect, it } from 'vitest'
import { leafHash } from '../../../src/evidence/chain.ts'
import {
  appendLeaf,
  consistencyHolds,
  emptyFrontier,
  hashTree,
  inclusionHolds,
  rootOf,
} from '../../../src/evidence/merkle.ts'

// The eight leaves and the roots of Certificate Transparency's reference tests (RFC 6962).
const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  (hex) => leafHash(Buffer.from(hex, 'hex')),
)
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const tree = hashTree(leaves)
const hex = (path: readonly Buffer[]) => path.map((node) => node.toString('hex'))

describe('the tree', () => {
  it('has the roots of RFC 6962, whole and leaf by leaf', () => {
    let frontier = emptyFrontier
    expect(rootOf(frontier).toString('hex')).toBe(roots[0])
    for (const [index, leaf] of leaves.entries()) {
      frontier = appendLeaf(frontier, leaf)
      expect(rootOf(frontier).toString('hex')).toBe(roots[index + 1])
      expect(tree.root(index + 1).toString('hex')).toBe(roots[index + 1])
    }
  })

  it('gives the reference path from leaf 5 to the root of 8', () => {
    expect(hex(tree.inclusion(5))).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
  })

  it('gives the reference proof from size 6 to 8', () => {
    expect(hex(tree.consistency(6, 8))).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
  })

  it.each([
    ['index 8 of 8', () => tree.inclusion(8)],
    ['a size beyond the leaves', () => tree.root(9)],
    ['an older size that is larger', () => tree.consistency(5, 4)],
    ['a fraction', () => tree.inclusion(0.5)],
  ])('refuses %s', (_what, ask) => {
    expect(ask).toThrow(RangeError)
  })
})

describe('an inclusion proof', () => {
  const proof = { leaf: leaves[5] as Buffer, index: 5, size: 8, path: tree.inclusion(5), root: tree.root() }

  it('holds as it is', () => {
    expect(inclusionHolds(proof)).toBe(true)
  })

  it.each([
    ['the next index', { index: 6 }],
    ['an index beyond the size', { index: 8 }],
    ['a negative index', { index: -1 }],
    ['another size', { size: 4 }],
    ['another leaf', { leaf: leaves[4] as Buffer }],
    ['another root', { root: tree.root(7) }],
    ['no path', { path: [] }],
    ['a path that is one hash short', { path: proof.path.slice(0, -1) }],
    ['a path with one hash more', { path: [...proof.path, proof.root] }],
    ['a path in another order', { path: proof.path.toReversed() }],
    ['an inner node for a leaf', { leaf: tree.root(2), index: 0, size: 4, path: tree.inclusion(0, 4).slice(1) }],
  ])('does not hold with %s', (_what, changed) => {
    expect(inclusionHolds({ ...proof, ...changed })).toBe(false)
  })
})

describe('a consistency proof', () => {
  const proof = { first: 6, second: 8, firstRoot: tree.root(6), secondRoot: tree.root(8), path: tree.consistency(6, 8) }

  it('holds as it is, between equal trees and from nothing', () => {
    expect(consistencyHolds(proof)).toBe(true)
    expect(consistencyHolds({ ...proof, first: 8, firstRoot: proof.secondRoot, path: [] })).toBe(true)
    expect(consistencyHolds({ ...proof, first: 0, firstRoot: rootOf(emptyFrontier), path: [] })).toBe(true)
  })

  it.each([
    ['sizes exchanged', { first: 8, second: 6 }],
    ['another first size', { first: 5 }],
    // Size 7 would give a path of the same shape; it is the signed root that tells it from 8.
    ['another second size', { second: 9 }],
    ['another first root', { firstRoot: tree.root(5) }],
    ['another second root', { secondRoot: tree.root(7) }],
    ['no path', { path: [] }],
    ['a path with one hash more', { path: [...proof.path, proof.secondRoot] }],
    ['a path for nothing', { first: 0, firstRoot: rootOf(emptyFrontier) }],
    ['another root for nothing', { first: 0, path: [] }],
  ])('does not hold with %s', (_what, changed) => {
    expect(consistencyHolds({ ...proof, ...changed })).toBe(false)
  })
})
