import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildStream, joined } from '../support/log-mutator.ts'
import { ourVerdict, placeOf, theirVerdict } from '../support/verdicts.ts'

const stream = buildStream({ records: 10, batch: 3 })
const other = buildStream({ records: 10, batch: 2, signing: 'checkpoint' })

/** One thing that somebody may do to the lines of a log. */
type Edit =
  | { readonly kind: 'drop' | 'repeat' | 'cut'; readonly at: number }
  | { readonly kind: 'swap' | 'move'; readonly at: number; readonly to: number }
  | { readonly kind: 'splice'; readonly at: number; readonly from: number }

const line = fc.nat(stream.lines.length - 1)
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constantFrom('drop', 'repeat', 'cut'), at: line }),
  fc.record({ kind: fc.constantFrom('swap', 'move'), at: line, to: line }),
  fc.record({ kind: fc.constant('splice'), at: line, from: fc.nat(other.lines.length - 1) }),
)

function edited(lines: readonly string[], change: Edit): readonly string[] {
  const at = Math.min(change.at, lines.length - 1)
  const here = lines[at]
  if (here === undefined) return lines
  if (change.kind === 'drop') return lines.toSpliced(at, 1)
  if (change.kind === 'repeat') return lines.toSpliced(at, 0, here)
  if (change.kind === 'cut') return lines.slice(0, at)
  if (change.kind === 'splice') return lines.with(at, other.lines[change.from] as string)
  if (!('to' in change)) return lines
  const to = Math.min(change.to, lines.length - 1)
  if (change.kind === 'move') return lines.toSpliced(at, 1).toSpliced(to, 0, here)
  return lines.with(at, lines[to] as string).with(to, here)
}

describe('a log whose lines were rearranged', () => {
  it('is intact only when it reads as it did, and both verifiers name the same place', () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const lines = edits.reduce(edited, stream.lines)
        const judged = { stream: stream.id, segments: [joined(lines)] }
        const ours = ourVerdict(judged)
        expect(ours.exit === 0).toBe(lines.join('') === stream.lines.join(''))
        expect(placeOf(theirVerdict(judged))).toEqual(placeOf(ours))
      }),
      { numRuns: 400, seed: 20_251_120 },
    )
  })

  it('is never intact when bytes were written over', () => {
    const honest = joined(stream.lines)
    fc.assert(
      fc.property(fc.nat(honest.length - 1), fc.uint8Array({ minLength: 1, maxLength: 40 }), (at, bytes) => {
        const spoiled = Buffer.from(honest)
        spoiled.set(bytes.subarray(0, honest.length - at), at)
        const judged = { stream: stream.id, segments: [spoiled] }
        const [ours, theirs] = [ourVerdict(judged), theirVerdict(judged)]
        expect(ours.exit === 0).toBe(spoiled.equals(honest))
        expect(theirs.exit).toBe(ours.exit)
        expect(theirs.offset).toBe(ours.offset)
      }),
      { numRuns: 400, seed: 20_251_121 },
    )
  })
})
