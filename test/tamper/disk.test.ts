import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/apps/verify.ts'
import { verifyPath } from '../../verifier/verify.mjs'
import { buildStream, segmentName, streamName, writeData, temporaryFolder } from '../support/log-mutator.ts'

const first = buildStream({ records: 12, close: false })
const second = buildStream({
  stream: streamName(2),
  records: 4,
  prevStream: { id: first.id, size: first.size, root: first.root },
})

let data: string
const folder = (id: string) => path.join(data, 'streams', 'gw-1', id)
const segment = (id: string, number: number) => path.join(folder(id), segmentName(number))

beforeEach(() => {
  const thirds = [first.lines.slice(0, 5), first.lines.slice(5, 10), first.lines.slice(10)]
  data = writeData([
    { id: first.id, segments: thirds },
    { id: second.id, segments: [second.lines] },
  ])
})

/** Both verifiers on a path: exit code and places must be the same; ours is given. */
async function judged(file = data, trustFile?: string) {
  const ours = await verifyEvidence({ path: file, ...(trustFile !== undefined && { trustFile }) })
  const theirs = verifyPath(file, trustFile === undefined ? {} : { trust: trustFile })
  const place = (
    problem: { stream?: string; segment?: string; seq?: number; offset?: number; code: string } | undefined,
  ) => problem && [problem.code, problem.stream, problem.segment, problem.seq, problem.offset]
  expect(theirs.exit).toBe(ours.exitCode)
  expect(place(theirs.problems[0])).toEqual(place(ours.problems[0]))
  return { exit: ours.exitCode, codes: ours.problems.map(({ code }) => code), problem: ours.problems[0] }
}

describe('a data directory', () => {
  it('is intact: the second stream says how far the first one went', async () => {
    expect(await judged()).toMatchObject({ exit: 0, codes: [] })
  })

  it('may hold other files', async () => {
    writeFileSync(path.join(data, 'streams', 'gw-1', 'lock'), '17 boot\n')
    writeFileSync(path.join(folder(first.id), 'seal.json'), '{}')
    mkdirSync(path.join(folder(first.id), 'old'))
    expect(await judged()).toMatchObject({ exit: 0 })
  })

  it('misses a segment in the middle', async () => {
    rmSync(segment(first.id, 2))
    expect(await judged()).toMatchObject({ exit: 1, problem: { code: 'SEGMENT_MISSING', seq: 4, offset: 0 } })
  })

  it('misses the first segment', async () => {
    rmSync(segment(first.id, 1))
    expect(await judged()).toMatchObject({ exit: 1, problem: { code: 'SEGMENT_MISSING', seq: 0 } })
  })

  it('misses the last segment, because the next stream remembers it', async () => {
    rmSync(segment(first.id, 3))
    expect(await judged()).toMatchObject({ exit: 1, problem: { code: 'TRUNCATED', stream: first.id } })
  })

  it('misses records when the last segments were emptied', async () => {
    writeFileSync(segment(first.id, 3), '')
    expect(await judged()).toMatchObject({ exit: 1, codes: ['TRUNCATED'] })
  })

  it('notices an older segment in the place of a newer', async () => {
    cpSync(segment(first.id, 2), segment(first.id, 3))
    expect(await judged()).toMatchObject({ exit: 1, problem: { code: 'SEGMENT_ORDER', segment: segmentName(3) } })
  })

  it('misses a stream that the next one names', async () => {
    rmSync(folder(first.id), { recursive: true })
    expect(await judged()).toMatchObject({ exit: 1, codes: ['STREAM_MISSING'] })
  })

  it('notices a stream under the name of another', async () => {
    renameSync(folder(second.id), folder(streamName(3)))
    expect(await judged()).toMatchObject({ exit: 1, problem: { code: 'WRONG_STREAM', stream: streamName(3) } })
  })

  it('notices the old disk of a gateway that went on elsewhere: the next stream remembers another history', async () => {
    const other = buildStream({
      records: 12,
      close: false,
      bendRecord: (record) => ({ ...record, boot: 'c'.repeat(32) }),
    })
    rmSync(folder(first.id), { recursive: true })
    mkdirSync(folder(first.id))
    writeFileSync(segment(first.id, 1), other.lines.join(''))
    expect(await judged()).toMatchObject({ exit: 1, problem: { code: 'FORK' } })
  })

  it('is incomplete when the last stream is open, torn or empty', async () => {
    writeFileSync(segment(second.id, 1), second.lines.slice(0, -2).join(''))
    expect(await judged()).toMatchObject({ exit: 2, codes: ['OPEN_TAIL'] })
    writeFileSync(segment(second.id, 1), second.lines.join('').slice(0, -1))
    expect(await judged()).toMatchObject({ exit: 2, codes: ['TORN_TAIL'] })
    writeFileSync(segment(second.id, 1), '')
    expect((await judged()).codes).toContain('TORN_TAIL')
  })

  it('without a trust file is untrusted', async () => {
    rmSync(path.join(data, 'trust.json'))
    expect(await judged()).toMatchObject({ exit: 2, codes: ['UNTRUSTED_KEY', 'UNTRUSTED_KEY'] })
  })
})

describe('less than a data directory', () => {
  it('can be one stream', async () => {
    const trust = path.join(data, 'trust.json')
    expect(await judged(folder(second.id), trust)).toMatchObject({ exit: 0 })
    expect(await judged(folder(second.id))).toMatchObject({ exit: 2, codes: ['UNTRUSTED_KEY'] })
    const elsewhere = temporaryFolder()
    cpSync(folder(second.id), elsewhere, { recursive: true })
    expect(await judged(elsewhere, trust)).toMatchObject({ exit: 0 })
  })

  it('can be one segment, under any name', async () => {
    const trust = path.join(data, 'trust.json')
    expect(await judged(segment(second.id, 1), trust)).toMatchObject({ exit: 0 })
    const copy = path.join(data, 'copy.txt')
    cpSync(segment(second.id, 1), copy)
    expect(await judged(copy, trust)).toMatchObject({ exit: 0 })
    expect(await judged(segment(first.id, 1), trust)).toMatchObject({ exit: 2, codes: ['UNSIGNED_TAIL'] })
  })

  it('cannot be a later segment alone', async () => {
    expect(await judged(segment(first.id, 2))).toMatchObject({ exit: 2, codes: ['SEGMENT_ALONE'] })
  })

  it('can be nothing', async () => {
    expect(await judged(temporaryFolder())).toMatchObject({
      exit: 2,
      codes: ['TORN_TAIL'],
    })
  })
})
