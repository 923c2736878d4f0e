import { describe, expect, it } from 'vitest'
import { unknownEntry } from '../../../src/evidence/dangling.ts'
import { linesOf } from '../../../src/evidence/lines.ts'
import { danglingIntents, scanDamaged, scanPinned, scanStream } from '../../../src/evidence/recover.ts'
import type { JsonObject } from '../../../src/ports/json.ts'
import { intent } from '../../support/evidence.ts'
import { buildStream, deploymentKey, joined, rootOf, testKey } from '../../support/log-mutator.ts'
import type { BuiltStream } from '../../support/log-mutator.ts'

const trusted = new Map([[deploymentKey.kid, deploymentKey.raw]])
const honest = buildStream({ records: 10, batch: 4 })
const small = buildStream({ records: 2, batch: 2 })
const unsigned = buildStream({ records: 2, batch: 2, signing: 'checkpoint' })

/** Lines of one or more segments. */
async function* lines(...segments: readonly Buffer[]) {
  for (const [index, bytes] of segments.entries()) yield* linesOf(pieces(bytes), index + 1)
}

/** In pieces that fall in the middle of lines. */
async function* pieces(bytes: Buffer) {
  for (let from = 0; from < bytes.length; from += 700) yield bytes.subarray(from, from + 700)
}

const scan = (bytes: Buffer, stream = honest) => scanStream(lines(bytes), { stream: stream.id, trusted })
const sizeOf = (bytes: Buffer) =>
  joined([]).length +
  bytes
    .toString()
    .split('\n')
    .filter((line) => line.startsWith('{')).length
const rootAt = (stream: BuiltStream, size: number) => rootOf(stream.leaves.slice(0, size)).toString('hex')
const isCheckpoint = (line: string) => line.startsWith('C\t')

/** The bytes up to and including the n-th checkpoint from the end. */
function upToCheckpoint({ lines }: BuiltStream, fromEnd = 1): Buffer {
  const places = lines.flatMap((line, index) => (isCheckpoint(line) ? [index] : []))
  return joined(lines.slice(0, (places.at(-fromEnd) ?? 0) + 1))
}

/** With one character of one line changed, in a place that leaves the line readable. */
function damaged(stream: BuiltStream, index: number): Buffer {
  return joined(stream.lines.map((line, at) => (at === index ? line.replace('"tenant":"', '"tenant":"x') : line)))
}

describe('scanStream', () => {
  it('keeps an honest stream as it is', async () => {
    expect(await scan(joined(honest.lines))).toEqual({
      stream: honest.id,
      opening: 'first',
      opened: true,
      kept: { size: honest.size, root: honest.root },
      events: [],
    })
  })

  it('finds nothing in nothing', async () => {
    expect(await scan(Buffer.alloc(0))).toMatchObject({ kept: { size: 0 }, opened: false })
  })

  it('cut at any byte, keeps every record that is whole and signed', async () => {
    const whole = upToCheckpoint(small, 2).length
    const bytes = joined(small.lines)
    for (let size = whole; size < bytes.length; size++) {
      const cut = bytes.subarray(0, size)
      const found = await scan(cut, small)
      const kept = sizeOf(cut.subarray(0, cut.lastIndexOf(10) + 1))
      expect(found.kept).toEqual({ size: kept, root: rootAt(small, kept) })
      expect(found.problem).toBeUndefined()
      expect(found.cut?.offset ?? size).toBe(cut.lastIndexOf(10) + 1)
    }
  })

  it('cut at any byte, keeps up to the last checkpoint when only checkpoints are signed', async () => {
    const whole = upToCheckpoint(unsigned, 2)
    const bytes = joined(unsigned.lines)
    for (let size = whole.length; size < bytes.length; size++) {
      const found = await scan(bytes.subarray(0, size), unsigned)
      expect(found.kept.size).toBe(sizeOf(whole))
      expect(found.cut?.offset ?? size).toBe(whole.length)
    }
  })

  it('keeps no signed record that does not continue the chain', async () => {
    const whole = upToCheckpoint(honest, 2)
    const tail = honest.lines.slice(-4, -1).filter((line) => !isCheckpoint(line))
    for (const wrong of [tail.slice(1), tail.toReversed(), [tail[0], tail[0]] as string[]]) {
      const found = await scan(Buffer.concat([whole, joined(wrong)]))
      expect(found.kept.size).toBeLessThan(sizeOf(whole) + wrong.length)
      expect(found.cut).toBeDefined()
    }
  })

  it('keeps no record that another stream signed', async () => {
    const other = buildStream({ records: 10, batch: 4, recordKey: testKey('another') })
    const whole = upToCheckpoint(honest, 2)
    const found = await scan(Buffer.concat([whole, joined(other.lines.slice(-4, -3))]))
    expect(found.kept.size).toBe(sizeOf(whole))
    expect(found.cut).toEqual({ segment: 1, offset: whole.length })
  })

  it('keeps no record with the signature of another', async () => {
    const tail = honest.lines.slice(-4, -1).filter((line) => !isCheckpoint(line))
    const [record = ''] = (tail[0] ?? '').split('\t')
    const [, signature = ''] = (tail[1] ?? '').split('\t')
    const whole = upToCheckpoint(honest, 2)
    expect((await scan(Buffer.concat([whole, joined([tail[0] ?? ''])]))).kept.size).toBe(sizeOf(whole) + 1)
    expect((await scan(Buffer.concat([whole, joined([`${record}\t${signature}`])]))).kept.size).toBe(sizeOf(whole))
  })

  it.each([
    ['another record before it', { prev: 'f'.repeat(64) }],
    ['another place', { seq: 99 }],
    ['another stream', { stream: '01K70000000000000000000009' }],
  ])('keeps no record that the stream itself signed for %s', async (_what, changed) => {
    const bent = buildStream({
      records: 2,
      batch: 2,
      bendRecord: (record) => (record['type'] === 'stream.close' ? { ...record, ...changed } : record),
    })
    const found = await scan(joined(bent.lines.slice(0, -1)), bent)
    expect(found.kept.size).toBe(bent.size - 1)
    expect(found.cut).toBeDefined()
  })

  it('cuts a last batch that is whole and wrong, and says so', async () => {
    const last = honest.lines.length - 4
    const found = await scan(
      damaged(
        honest,
        honest.lines.findIndex((line, at) => at >= last && line.includes('tenant')),
      ),
    )
    expect(found.problem).toContain('last checkpoint does not hold')
    expect(found.cut).toBeDefined()
    expect(found.kept.size).toBeLessThan(honest.size)
  })

  it.each([
    ['a changed record', damaged(honest, 4)],
    ['a dropped record', joined(honest.lines.filter((_, index) => index !== 4))],
    ['an unreadable line', joined(honest.lines.map((line, index) => (index === 4 ? 'rubbish\n' : line)))],
    ['a zeroed batch', Buffer.concat([Buffer.alloc(500), joined(honest.lines).subarray(500)])],
    [
      'an unsigned tail of two batches',
      Buffer.concat([
        upToCheckpoint(honest, 3),
        Buffer.from('x\n'),
        joined(honest.lines).subarray(upToCheckpoint(honest, 3).length),
      ]),
    ],
  ])('repairs nothing after %s in what was acknowledged', async (_what, bytes) => {
    const found = await scan(bytes)
    expect(found.problem).toContain(honest.id)
    expect(found.cut).toBeUndefined()
  })

  it('believes no key that this deployment did not vouch for', async () => {
    const forged = buildStream({ records: 4, delegator: testKey('somebody') })
    const found = await scan(joined(forged.lines))
    expect(found).toMatchObject({ problem: expect.stringContaining('not vouched for') as string })
    expect(found.cut).toBeUndefined()
  })

  it('repairs nothing when a segment ends in damage and another follows', async () => {
    const middle = upToCheckpoint(honest, 3)
    const first = Buffer.concat([middle, Buffer.from('torn')])
    const second = Buffer.from(`${honest.lines.at(-2)}`)
    const found = await scanStream(lines(first, second), { stream: honest.id, trusted })
    expect(found.problem).toBeDefined()
    expect(found.cut).toBeUndefined()
  })

  it('reads a line of any length in bounded memory, as damage', async () => {
    const whole = upToCheckpoint(honest, 2)
    const found = await scan(Buffer.concat([whole, Buffer.alloc(1_000_000, 0x61), Buffer.from('\n')]))
    expect(found.cut).toEqual({ segment: 1, offset: whole.length })
  })
})

describe('scanDamaged', () => {
  it('says how far a damaged stream is good', async () => {
    const index = honest.lines.findIndex((line, at) => at > 6 && line.includes('tenant'))
    const kept = await scanDamaged(lines(damaged(honest, index)), { stream: honest.id, trusted })
    const before = honest.lines.slice(0, index).findLastIndex(isCheckpoint)
    const size = honest.lines.slice(0, before).filter((line) => !isCheckpoint(line)).length
    expect(kept).toEqual({ size, root: rootAt(honest, size) })
  })
})

describe('scanPinned', () => {
  const pinned = { id: honest.id, size: 7, root: rootAt(honest, 7) }

  it('finds the records that a successor saw, whatever follows them', async () => {
    expect(await scanPinned(lines(joined(honest.lines)), pinned)).toMatchObject({ holds: true })
  })

  it.each([
    ['changed', damaged(honest, 4)],
    ['missing', joined(honest.lines.slice(0, 5))],
  ])('notices when they are %s', async (_what, bytes) => {
    expect(await scanPinned(lines(bytes), pinned)).toMatchObject({ holds: false })
  })
})

describe('danglingIntents', () => {
  /** A stream in which every third call is a write, and the given ends are recorded. */
  const withWrites = (ended: readonly number[]) =>
    buildStream({
      records: 6,
      bendRecord: (record, seq) => bent(record, seq, ended),
    })
  const bent = (record: JsonObject, seq: number, ended: readonly number[]): JsonObject => {
    if (record['type'] !== 'call.outcome' && record['type'] !== 'call.decision') return record
    const { ext: _ext, ...rest } = record
    const end = ended.find((id) => id === seq - 3)
    const name = end === undefined ? `call ${seq}` : `call ${end}`
    const entry = {
      ...(intent(name) as unknown as JsonObject),
      type: end === undefined ? 'call.intent' : 'call.outcome',
    }
    return {
      ...rest,
      ...entry,
      result: { ...(entry['args' as keyof typeof entry] as unknown as JsonObject), status: 'ok' },
    }
  }

  it('are the intents without an end, with what is needed to name the call', async () => {
    const stream = withWrites([1, 2])
    const found = await scanStream(lines(joined(stream.lines)), { stream: stream.id, trusted })
    const open = danglingIntents([found])
    expect(open.map(({ ext }) => ext?.['callId'])).toEqual(['call 3', 'call 6'])
    expect(unknownEntry(open[0] as (typeof open)[number])).toMatchObject({
      type: 'call.unknown',
      req: 'req-call 3',
      tool: { name: 'flag.set' },
      idem: { keyDigest: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      ext: { stream: stream.id, seq: 3, callId: 'call 3' },
    })
  })

  it('end in a later stream as well', () => {
    const opened = { key: 'call a', seq: 1, intent: {} as never }
    expect(danglingIntents([{ events: [opened] }, { events: [{ key: 'call a', seq: 9 }] }])).toEqual([])
  })

  it('are open again when their end is cut off', async () => {
    const stream = withWrites([1])
    const end = stream.lines.findIndex((line) => line.includes('"type":"call.outcome"'))
    const torn = joined([...stream.lines.slice(0, end), (stream.lines[end] ?? '').slice(0, 40)])
    const found = await scanStream(lines(torn), { stream: stream.id, trusted })
    expect(danglingIntents([found]).map(({ ext }) => ext?.['callId'])).toContain('call 1')
  })
})
