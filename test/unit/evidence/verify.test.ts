import { describe, expect, it } from 'vitest'
import { verifyStream } from '../../../src/evidence/judge-stream.ts'
import { problemCodes } from '../../../src/evidence/problem.ts'
import { parseTrust } from '../../../src/evidence/trust.ts'
import { problemsMax, streamVerifier } from '../../../src/evidence/verify.ts'
import { buildStream, joined, startMs, streamName, testKey, trustJson } from '../../support/log-mutator.ts'
import { linesOf } from '../../support/verdicts.ts'

const trust = parseTrust(trustJson())
const stream = buildStream({ records: 30, batch: 3 })
const lines = (text: readonly string[]) => linesOf(joined(text))
const judge = (text: readonly string[], more: Partial<Parameters<typeof verifyStream>[1]> = {}) =>
  verifyStream(lines(text), { trust, stream: stream.id, ...more })

describe('the verifier', () => {
  it('sums up what it read', async () => {
    const { summary, problems } = await judge(stream.lines)
    expect(problems).toEqual([])
    expect(summary).toEqual({ stream: stream.id, records: 32, checkpoints: 12, closed: true, root: stream.root })
  })

  it('takes the name of the stream from the genesis when nobody gives one', async () => {
    const { summary } = await verifyStream(lines(stream.lines), { trust })
    expect(summary.stream).toBe(stream.id)
  })

  it('says where: stream, segment, record, byte, and what was good before', async () => {
    const tampered = stream.lines.with(10, (stream.lines[10] as string).replace('"spanId":', '"spamId":'))
    const { problems } = await judge(tampered)
    const offset = Buffer.byteLength(stream.lines.slice(0, 10).join(''))
    expect(problems[0]).toMatchObject({
      code: 'BAD_SCHEMA',
      stream: stream.id,
      segment: 'seg-00000001.log',
      seq: 7,
      offset,
      lastGoodSeq: 6,
      lastGoodCheckpoint: 7,
    })
  })

  it('goes on behind a broken line and finds the next one', async () => {
    const spoil = (text: string) => text.replace('"tenant":"', '"tenant":"x')
    const tampered = stream.lines.map((line, index) => (index === 7 || index === 27 ? spoil(line) : line))
    const { problems } = await judge(tampered)
    expect(problems.filter(({ code }) => code === 'BAD_RECORD_SIG').map(({ seq }) => seq)).toEqual([5, 20])
    expect(problems.every(({ lastGoodSeq }) => (lastGoodSeq ?? 0) <= 20)).toBe(true)
  })

  it('reports at most so many problems of one stream', () => {
    const many = buildStream({ records: problemsMax * 3 })
    const verifier = streamVerifier({ trust, stream: many.id })
    const spoiled = many.lines.map((line, index) =>
      index > 1 && line.startsWith('{') ? line.replace('{', '{ ') : line,
    )
    const problems = [...lines(spoiled)].flatMap((line) => verifier.step(line).problems)
    expect(problems.length).toBe(problemsMax)
  })

  it('holds no more of a stream in memory than its head', async () => {
    const long = buildStream({ records: 600, batch: 50, entry: () => ({ type: 'config.load', ext: {} }) })
    const { problems, summary } = await verifyStream(lines(long.lines), { trust })
    expect(problems).toEqual([])
    expect(summary.records).toBe(602)
  })
})

describe('the quick way', () => {
  const forged = buildStream({ records: 4, recordSigner: testKey('thief') })

  it('leaves record signatures out, and nothing else', async () => {
    expect((await judge(forged.lines)).problems[0]?.code).toBe('BAD_RECORD_SIG')
    expect((await judge(forged.lines, { quick: true })).problems).toEqual([])
    const dropped = stream.lines.toSpliced(7, 1)
    expect((await judge(dropped, { quick: true })).problems.length).toBeGreaterThan(0)
  })
})

describe('jobs side by side', () => {
  it('find what one job finds, in the same order', async () => {
    const long = buildStream({ records: 700, batch: 40 })
    const spoiled = long.lines.map((line, index) =>
      index % 100 === 50 ? line.replace('"tenant":"', '"tenant":"x') : line,
    )
    const [one, four] = await Promise.all([1, 4].map((jobs) => verifyStream(lines(spoiled), { trust, jobs })))
    expect(four?.problems).toEqual(one?.problems)
    expect(one?.problems.length).toBeGreaterThan(4)
  })
})

describe('a record of another purpose', () => {
  it('is named so when the checkpoint key signed it', async () => {
    const [record, checkpoint] = [testKey('r'), testKey('c')]
    const swapped = buildStream({ records: 2, recordKey: record, checkpointKey: checkpoint, recordSigner: checkpoint })
    const { problems } = await verifyStream(lines(swapped.lines), { trust })
    expect(problems[0]?.code).toBe('WRONG_KEY_PURPOSE')
  })
})

describe('what a successor remembers', () => {
  const open = buildStream({ records: 6, close: false })
  const memory = { stream: open.id, size: open.size, root: open.root, by: 'Stream x', final: true }

  it('closes a stream that nobody closed', async () => {
    expect((await judge(open.lines, { memories: [memory] })).problems).toEqual([])
    expect((await judge(open.lines)).problems.map(({ code }) => code)).toEqual(['OPEN_TAIL'])
  })

  it('of another stream does not count', async () => {
    const elsewhere = { ...memory, stream: streamName(8) }
    expect((await judge(open.lines, { memories: [elsewhere] })).problems.map(({ code }) => code)).toEqual(['OPEN_TAIL'])
  })

  it('with another root is a fork', async () => {
    const { problems } = await judge(open.lines, { memories: [{ ...memory, size: 3, root: 'cd'.repeat(32) }] })
    expect(problems[0]).toMatchObject({ code: 'FORK' })
  })
})

describe('a trust file', () => {
  it.each([
    ['no JSON', '{'],
    ['another version', trustJson().replace('"v":1', '"v":2')],
    ['an unknown field', trustJson().replace('"v":1', '"v":1,"x":1')],
    ['a key under the id of another', trustJson({ ...testKey('other'), kid: testKey('deployment').kid })],
  ])('is refused when it is %s', (_title, text) => {
    expect(() => parseTrust(text)).toThrow(/trust file|Key/)
  })

  it('is refused with a weak key', () => {
    const raw = Buffer.from('ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', 'hex')
    expect(() => parseTrust(trustJson({ ...testKey('weak'), raw }))).toThrow(/small order/)
  })
})

describe('the clock', () => {
  it('may stand still and may jump ahead', async () => {
    const still = buildStream({
      records: 4,
      bendRecord: (record, seq) => ({ ...record, tsMs: seq < 3 ? startMs : startMs + 3_600_000, wallMs: 5 }),
    })
    expect((await verifyStream(lines(still.lines), { trust })).problems).toEqual([])
  })
})

describe('problem codes', () => {
  it('are unique', () => {
    expect(new Set(problemCodes).size).toBe(problemCodes.length)
  })
})
