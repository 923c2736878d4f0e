import { describe, expect, it } from 'vitest'
import type { BuiltStream } from '../support/log-mutator.ts'
import { buildStream, callEntry, joined, seeded } from '../support/log-mutator.ts'
import { ourVerdict, placeOf, theirVerdict } from '../support/verdicts.ts'

/** How many bits of a byte are tried: `npm run test:full` asks for all eight. */
const bits = Number(process.env['SLUICEGATE_BITS'] ?? 1)

/** Twenty records: mostly short ones, so that every byte of the log can be tried in seconds. */
const records = 18
const entry = (count: number) =>
  count === 5 ? callEntry(count) : { type: 'config.load', ext: { digest: `é${count}` } }

describe('one flipped bit', () => {
  it('in any byte of a log is found by both verifiers, and both name the same exit code, stream, record and byte', () => {
    const stream = buildStream({ records, entry })
    for (const [flipped, at] of flips(stream, 1)) expect(complaintAbout(stream, flipped, at, true)).toBeUndefined()
  }, 600_000)

  it('in a log that signs checkpoints only is found by both, at the record or at the line that proves it', () => {
    const stream = buildStream({ records, entry, signing: 'checkpoint' })
    for (const [flipped, at] of flips(stream, 2)) expect(complaintAbout(stream, flipped, at, false)).toBeUndefined()
  }, 600_000)
})

/** The log with one bit changed, at every `stride`-th byte; at every byte when all its bits are asked for. */
function* flips(stream: BuiltStream, stride: number): Generator<readonly [Buffer, number]> {
  const honest = joined(stream.lines)
  const random = seeded(7)
  for (let at = 0; at < honest.length; at += bits === 8 ? 1 : stride) {
    const first = Math.floor(random() * 8)
    for (let bit = first; bit < first + bits; bit++) {
      const flipped = Buffer.from(honest)
      flipped[at] = (flipped[at] as number) ^ (1 << (bit % 8))
      yield [flipped, at]
    }
  }
}

/** What is wrong with the verdicts on a flipped byte; undefined when nothing is. */
function complaintAbout(stream: BuiltStream, flipped: Buffer, at: number, agree: boolean): string | undefined {
  const judged = { stream: stream.id, segments: [flipped] }
  const [ours, theirs] = [ourVerdict(judged), theirVerdict(judged)]
  const said = `byte ${at}: ${JSON.stringify(ours)} and ${JSON.stringify(theirs)}`
  if (ours.exit === 0 || theirs.exit !== ours.exit) return `missed: ${said}`
  if (agree && JSON.stringify(placeOf(ours)) !== JSON.stringify(placeOf(theirs))) return `two places: ${said}`
  // The line with the flipped byte, or the next: the first that can prove it.
  const [begins, next] = lineAt(stream, at)
  const located = [ours, theirs].every(({ offset = -1 }) => offset >= begins && offset <= next)
  return located ? undefined : `elsewhere: ${said}`
}

function lineAt({ lines }: BuiltStream, at: number): readonly [begins: number, next: number] {
  let begins = 0
  for (const line of lines) {
    const next = begins + Buffer.byteLength(line)
    if (at < next) return [begins, next]
    begins = next
  }
  throw new RangeError('beyond the end')
}
