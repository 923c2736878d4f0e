import * as fc from 'fast-check'
import oracle from 'canonicalize'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../src/evidence/canonical.ts'
import type { Json } from '../../src/ports/json.ts'

const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed())
const number = fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }).filter(carried))
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    number,
    text,
    fc.array(tie('json')),
    fc.dictionary(fc.oneof(text, fc.constantFrom('9', '10', '__proto__', 'constructor')), tie('json')),
  ),
}))

/** Integers beyond 2^53 - 1 are refused; a unit test says so. */
function carried(value: number): boolean {
  return !Number.isInteger(value) || Number.isSafeInteger(value)
}

describe('canonicalize, over any JSON value', () => {
  it('writes what the reference implementation writes', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalize(value)).toBe(oracle(value))
      }),
    )
  })

  it('writes the same for the same meaning', () => {
    fc.assert(
      fc.property(json, (value) => {
        const once = canonicalize(value)
        expect(canonicalize(JSON.parse(once) as Json)).toBe(once)
        expect(canonicalize(reversed(value))).toBe(once)
      }),
    )
  })
})

/** The same value, its members in the other order. */
function reversed(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => reversed(item as Json))
  const entries = Object.entries(value).toReversed()
  return Object.fromEntries(entries.map(([key, item]) => [key, reversed(item)]))
}
