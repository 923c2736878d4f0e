import { describe, expect, it } from 'vitest'
import { readRecords, recordLines, segmentsOf, streamsOf } from '../../../src/adapters/evidence-files.ts'
import { fits, mayFit } from '../../../src/evidence/read.ts'
import type { RecordFilter } from '../../../src/evidence/read.ts'
import type { EvidenceRecord } from '../../../src/evidence/record.ts'
import { buildStream, startMs, streamName, writeData } from '../../support/log-mutator.ts'

const stream = buildStream({ records: 24 })
const second = buildStream({ stream: streamName(2), records: 4 })
const data = writeData([
  { id: second.id, segments: [second.lines] },
  { id: stream.id, segments: [stream.lines.slice(0, 11), stream.lines.slice(11)] },
])
const all = stream.lines.concat(second.lines).flatMap((line) => (line.startsWith('{') ? [recordOf(line)] : []))

async function read(filter: RecordFilter): Promise<readonly EvidenceRecord[]> {
  const found: EvidenceRecord[] = []
  for await (const { record } of readRecords(data, filter)) found.push(record)
  return found
}

describe('reading', () => {
  it('gives every record, streams in the order of their names, across segments', async () => {
    expect(await read({})).toEqual(all)
  })

  it.each<[string, RecordFilter]>([
    ['trace', { trace: all[5]?.traceId ?? '' }],
    ['session', { session: 'abcdefabcdef-s000000000002' }],
    ['actor', { actor: 'agent:naïve-größe' }],
    ['tool', { tool: 'flag.set' }],
    ['time', { sinceMs: startMs + 20, untilMs: startMs + 70 }],
    ['all of them', { session: 'abcdefabcdef-s000000000000', tool: 'orders.export', sinceMs: startMs + 8 }],
  ])('by %s gives what a plain look at every record gives', async (_title, filter) => {
    const expected = all.filter((record) => fits(record, filter))
    expect(expected.length).toBeGreaterThan(0)
    expect(expected.length).toBeLessThan(all.length)
    expect(await read(filter)).toEqual(expected)
  })

  it('gives nothing for what nobody wrote', async () => {
    expect(await read({ session: 'nobody' })).toEqual([])
  })

  it('numbers record lines without their checkpoints', async () => {
    const [{ directory } = { directory: '' }] = await streamsOf(data)
    const numbers: number[] = []
    for await (const { seq } of recordLines(directory)) numbers.push(seq)
    expect(numbers).toEqual([...Array(stream.size).keys()])
    expect((await segmentsOf(directory)).map(({ number }) => number)).toEqual([1, 2])
  })
})

describe('the quick test on bytes', () => {
  it('never refuses a record that fits', () => {
    const hard = { session: 'a"b\\c\u2028é', tool: 'x\ty' }
    const record = { ...all[3], session: hard.session, tool: { name: hard.tool } } as EvidenceRecord
    expect(fits(record, hard)).toBe(true)
    expect(mayFit(hard)(Buffer.from(JSON.stringify(record)))).toBe(true)
  })
})

function recordOf(line: string): EvidenceRecord {
  return JSON.parse(line.slice(0, line.indexOf('\t'))) as EvidenceRecord
}
