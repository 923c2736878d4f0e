import { createHash } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import type { FileEvidenceLog } from '../../src/adapters/evidence-log-file.ts'
import { leafHash } from '../../src/evidence/chain.ts'
import { Genesis } from '../../src/evidence/genesis.ts'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import type { Receipt, StoredRecord } from '../../src/ports/evidence-log.ts'
import { testClock } from '../support/clock.ts'
import type { TestClock } from '../support/clock.ts'
import { bytesOf, denial, intent, openTestLog, outcome, recordsIn, temporary } from '../support/evidence.ts'
import { verifyDirectory } from '../support/evidence-verified.ts'
import { faultFiles } from '../support/fault-files.ts'
import type { Fault, FaultFiles, Survival } from '../support/fault-files.ts'

const adapters = {
  'one file per stream, each record signed': { signing: 'record+checkpoint' },
  'one file per stream, checkpoints signed': { signing: 'checkpoint' },
} as const

describe.each(Object.entries(adapters))('EvidenceLog: %s', (_name, options) => {
  const open = (files: FaultFiles, clock: TestClock = testClock()) =>
    openTestLog({ ...options, directory: '/data', files, clock })

  it('keeps the order in which appends were asked for', async () => {
    const files = faultFiles()
    await using log = closing(await open(files))
    const names = Array.from({ length: 20 }, (_, index) => `call-${index}`)
    const receipts = await Promise.all(names.map((name) => log.append(denial(name))))
    const stored = (await recordsIn(files, '/data')).filter(({ type }) => type === 'call.decision')
    expect(stored.map(({ req }) => req)).toEqual(names.map((name) => `req-${name}`))
    expect(stored.map(({ seq }) => seq)).toEqual(receipts.map(({ seq }) => seq))
  })

  it('answers with the stream, the position, the leaf and the time of becoming durable', async () => {
    const clock = testClock()
    await using log = closing(await open(faultFiles(), clock))
    const seen: StoredRecord[] = []
    log.follow((record) => seen.push(record))
    const receipt = await log.append(denial('a'))
    const text = seen[0]?.text ?? ''
    expect(receipt).toEqual({
      stream: log.stream,
      seq: JSON.parse(text).seq,
      leaf: leafHash(Buffer.from(text)).toString('hex'),
      durableMs: clock.nowMs(),
      durableNs: clock.monoNs(),
    })
  })

  it('shows followers each record once, in order, and only when it is durable', async () => {
    const files = faultFiles()
    await using log = closing(await open(files))
    const seen: number[] = []
    const durable: boolean[] = []
    log.follow(({ seq, text }) => {
      seen.push(seq)
      durable.push(files.afterPowerCut('nothing').contains(text))
    })
    const receipts = await Promise.all(['a', 'b', 'c'].map((name) => log.append(denial(name))))
    await log.append(denial('d')).then((receipt) => receipts.push(receipt))
    expect(seen).toEqual(receipts.map(({ seq }) => seq))
    expect(durable).toEqual([true, true, true, true])
  })

  it('drops a follower that throws, and goes on', async () => {
    await using log = closing(await open(faultFiles()))
    const seen: string[] = []
    log.follow(() => {
      throw new Error('a bug')
    })
    const stop = log.follow(({ stream }) => seen.push(stream))
    await log.append(denial('a'))
    await log.append(denial('b'))
    stop()
    await log.append(denial('c'))
    expect(seen).toHaveLength(2)
  })

  it('refuses an entry that no record can hold, and nothing else', async () => {
    await using log = closing(await open(faultFiles()))
    const before = await log.append(denial('before'))
    const large = { ...denial('large'), ext: { text: 'x'.repeat(70_000) } }
    await expect(log.append(large)).rejects.toThrow('larger than 65535')
    await expect(log.append({ ...denial('fraction'), ext: { score: 0.5 } })).rejects.toThrow('integer')
    await expect(log.append({ ...denial('name'), tenant: 'x'.repeat(600) })).rejects.toThrow('tenant')
    const after = await log.append(denial('after'))
    expect(after.seq).toBe(before.seq + 1)
    expect(log.problem()).toBeUndefined()
  })

  it('has one writer', async () => {
    const files = faultFiles()
    await using log = closing(await open(files))
    await expect(open(files)).rejects.toThrow(`is held by process ${process.pid}`)
    await log.close()
    await using next = closing(await open(files))
    expect(next.stream > log.stream).toBe(true)
  })

  it('ends with stream.close under the last checkpoint, and takes nothing more', async () => {
    const files = faultFiles()
    const log = await open(files)
    const last = log.append(denial('last'))
    await log.close()
    await last
    await expect(log.append(denial('late'))).rejects.toThrow('closed')
    expect((await recordsIn(files, '/data')).at(-1)?.type).toBe('stream.close')
    expect(await verified(files)).toMatchObject({ exitCode: 0, problems: [] })
  })

  it('keeps time from running backwards, and says what the clock showed', async () => {
    const clock = testClock()
    const files = faultFiles()
    await using log = closing(await open(files, clock))
    await log.append(denial('a'))
    clock.step(-3_600_000)
    await log.append(denial('b'))
    const [a, b] = (await recordsIn(files, '/data')).slice(-2)
    expect(b?.tsMs).toBe(a?.tsMs)
    expect(b?.wallMs).toBe((a?.wallMs ?? 0) - 3_600_000)
  })

  it('follows a stream whose keys have grown old with another', async () => {
    const clock = testClock()
    const files = faultFiles()
    const log = await open(files, clock)
    await log.append(denial('a'))
    const first = log.stream
    clock.advance(25 * 3_600_000)
    await Promise.all(['b', 'c'].map((name) => log.append(denial(name))))
    await log.close()
    const records = await recordsIn(files, '/data')
    expect(log.stream).not.toBe(first)
    expect(records.filter(({ stream }) => stream === log.stream).map(({ type }) => type)).not.toContain('stream.gap')
    expect(await verified(files)).toMatchObject({ exitCode: 0, problems: [] })
  })

  it('goes on in another segment when one is full', async () => {
    const files = faultFiles()
    const log = await openTestLog({ ...options, directory: '/data', files, segmentBytesMax: 4_000 })
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await log.append(denial(name))
    await log.close()
    expect((await files.list(`/data/streams/gw-1/${log.stream}`)).length).toBeGreaterThan(2)
    expect(await verified(files)).toMatchObject({ exitCode: 0, problems: [] })
  })

  it.each([
    ['write', 2],
    ['flush', 1],
  ])(
    'touches a stream no more after a failed %s, and says in the next one how far it had come',
    async (_what, fromEnd) => {
      const clock = testClock()
      const opened = faultFiles()
      // Closing it writes, flushes and removes the lock; the first append writes and flushes in their place.
      await (await open(opened)).close()
      const files = faultFiles({ kind: 'error', at: opened.count() - fromEnd, code: 'EIO' })
      const log = await open(files, clock)
      const failed = log.stream
      const results = await Promise.allSettled(['a', 'b'].map((name) => log.append(denial(name))))
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      expect(log.problem()).toContain('EIO')

      const after = await log.append(denial('c'))
      expect(log.problem()).toBeUndefined()
      expect(after.stream).not.toBe(failed)
      await log.close()
      const gap = (await recordsIn(files, '/data')).find(({ type }) => type === 'stream.gap')
      expect(gap).toMatchObject({ stream: after.stream, ext: { stream: failed, reason: 'EIO' } })
      expect(await verified(files)).toMatchObject({ exitCode: 0, problems: [] })
    },
  )

  it('refuses while no stream can be opened, and tries again a second later', async () => {
    const clock = testClock()
    const opened = faultFiles()
    await (await open(opened)).close()
    let isFull = false
    const files = faultFiles()
    const log = await open(
      { ...files, create: (file) => (isFull ? Promise.reject(full()) : files.create(file)) },
      clock,
    )
    clock.advance(25 * 3_600_000)
    isFull = true
    await expect(log.append(denial('a'))).rejects.toThrow('ENOSPC')
    isFull = false
    await expect(log.append(denial('b'))).rejects.toThrow('ENOSPC')
    expect(log.problem()).toContain('ENOSPC')
    clock.advance(1_001)
    await log.append(denial('c'))
    expect(log.problem()).toBeUndefined()
    await log.close()
    expect(await verified(files)).toMatchObject({ exitCode: 0, problems: [] })
  })

  it('tries again when it is asked what is wrong, though nobody appends', async () => {
    const clock = testClock()
    const opened = faultFiles()
    await (await open(opened)).close()
    const files = faultFiles({ kind: 'error', at: opened.count() - 2, code: 'EIO' })
    const log = await open(files, clock)
    await expect(log.append(denial('a'))).rejects.toThrow('EIO')
    expect(log.problem()).toContain('EIO')
    await vi.waitFor(() => expect(log.problem()).toBeUndefined(), 10_000)
    await log.append(denial('b'))
    await log.close()
    expect(await verified(files)).toMatchObject({ exitCode: 0, problems: [] })
  })

  it('keeps a copy of a torn tail before it cuts it, and says in the next stream what it cut', async () => {
    const files = faultFiles()
    const log = await open(files)
    await log.append(denial('a'))
    const segment = `/data/streams/gw-1/${log.stream}/seg-00000001.log`
    const whole = await bytesOf(files, segment)
    const late = log.append(denial('torn'))
    await late
    const torn = (await bytesOf(files, segment)).subarray(whole.length, -10)
    const left = files.afterKill()
    await left.truncate(segment, whole.length + torn.length)

    const { stream, recovery } = await open(left)
    const kept = await bytesOf(left, segment)
    const copies = await left.list('/data/quarantine/gw-1')
    const copy = await bytesOf(left, `/data/quarantine/gw-1/${copies[0]}`)
    const cutSha256 = createHash('sha256').update(copy).digest('hex')
    expect(copies).toHaveLength(1)
    expect(Buffer.concat([kept, copy]).equals(Buffer.concat([whole, torn]))).toBe(true)
    expect(recovery).toMatchObject({ cutBytes: copy.length, problems: [] })
    const resume = (await recordsIn(left, '/data')).find(({ type }) => type === 'stream.resume')
    expect(resume).toMatchObject({ stream, ext: { cutBytes: copy.length, cutSha256 } })
  })

  it('repairs nothing when acknowledged records are damaged, says so, and goes on in a new stream', async () => {
    const files = faultFiles()
    const log = await open(files)
    for (const name of ['a', 'b', 'c']) await log.append(denial(name))
    const segment = `/data/streams/gw-1/${log.stream}/seg-00000001.log`
    const bytes = await bytesOf(files, segment)
    const left = files.afterKill()
    left.change(segment, (text) => text.replace('req-a', 'req-x'))

    const next = await open(left)
    await next.append(denial('d'))
    expect(next.recovery.problems).toEqual([expect.stringContaining(log.stream)])
    expect(next.recovery.cutBytes).toBe(0)
    expect((await bytesOf(left, segment)).length).toBe(bytes.length)
    await next.close()
    expect(await verified(left)).toMatchObject({ exitCode: 1 })
  })

  it('settles a dangling intent once, however often it is started again', async () => {
    let files = faultFiles()
    await (await open(files)).append(intent('a'))
    const found: number[] = []
    for (let start = 0; start < 3; start++) {
      files = files.afterKill()
      const log = await open(files)
      found.push(log.recovery.unknown.length)
    }
    expect(found).toEqual([1, 0, 0])
    expectSettled(await recordsIn(files, '/data'))
  })

  it('settles it also when the power fails at any operation of the next start', async () => {
    const crashed = faultFiles()
    const log = await open(crashed)
    await log.append(intent('a'))
    const receipt = await log.append(denial('b'))
    void log.append(denial('torn')).catch(() => undefined)
    for (let at = 1; ; at++) {
      const starting = crashed.afterPowerCut('half', { kind: 'stop', at })
      await open(starting).catch(() => undefined)
      for (const survival of survivals) await expectAll(starting.afterPowerCut(survival), [receipt], open)
      if (!starting.hit()) break
    }
  })

  it('loses nothing it acknowledged, whichever operation the power fails at', async () => {
    const runs = await eachFault(
      (at) => ({ kind: 'stop', at }),
      async (files) => {
        const acknowledged = await work(files, open)
        for (const survival of survivals) await expectAll(files.afterPowerCut(survival), acknowledged, open)
      },
    )
    expect(runs).toBeGreaterThan(15)
  })

  it.each([
    ['fails once with EIO', (at: number): Fault => ({ kind: 'error', at, code: 'EIO' })],
    ['takes only some of the bytes, then none', (at: number): Fault => ({ kind: 'short', at })],
    ['takes only some of the bytes, then the rest', (at: number): Fault => ({ kind: 'partial', at })],
    ['finds the disk full from then on', (at: number): Fault => ({ kind: 'full', at })],
  ])('loses nothing it acknowledged when any one operation %s', async (_how, fault) => {
    const runs = await eachFault(fault, async (files) => {
      const acknowledged = await work(files, open)
      await expectAll(files.afterPowerCut('nothing'), acknowledged, open)
      await expectAll(files.afterPowerCut('a hole'), acknowledged, open)
      await expectAll(files.afterKill(), acknowledged, open)
    })
    expect(runs).toBeGreaterThan(15)
  })
})

const survivals: readonly Survival[] = ['nothing', 'half', 'most', 'everything', 'a hole']

function full(): Error {
  return Object.assign(new Error('no space'), { code: 'ENOSPC' })
}

/** Does the same work with the fault at operation 1, 2, 3 … until it is not reached. Gives how often it was. */
async function eachFault(fault: (at: number) => Fault, work: (files: FaultFiles) => Promise<void>): Promise<number> {
  for (let at = 1; ; at++) {
    const files = faultFiles(fault(at))
    await work(files)
    if (!files.hit()) return at - 1
  }
}

/** Appends in ones and in crowds, and gives what was acknowledged. What fails is tried no second time. */
async function work(
  files: FaultFiles,
  open: (files: FaultFiles, clock: TestClock) => Promise<FileEvidenceLog>,
): Promise<readonly Receipt[]> {
  const clock = testClock()
  const acknowledged: Receipt[] = []
  const log = await open(files, clock).catch(() => undefined)
  if (log === undefined) return []
  const append = async (entry: Parameters<FileEvidenceLog['append']>[0]) => {
    const receipt = await log.append(entry).catch(() => undefined)
    if (receipt !== undefined) acknowledged.push(receipt)
  }
  await append(intent('a'))
  const wasBegun = acknowledged.length > 0
  await Promise.all([append(wasBegun ? outcome('a') : denial('a')), append(denial('b')), append(denial('c'))])
  clock.advance(2_000)
  await Promise.all([append(intent('d')), append(denial('e'))])
  await log.close().catch(() => undefined)
  return acknowledged
}

/** Opens the log on what is left, and expects every acknowledged record in evidence that verifies. */
async function expectAll(
  files: FaultFiles,
  acknowledged: readonly Receipt[],
  open: (files: FaultFiles) => Promise<FileEvidenceLog>,
): Promise<void> {
  const log = await open(files)
  await log.append(denial('after'))
  await log.close()
  const stored = await recordsIn(files, '/data')
  const places = new Set(stored.map(({ stream, seq }) => `${stream} ${seq}`))
  expect(acknowledged.filter(({ stream, seq }) => !places.has(`${stream} ${seq}`))).toEqual([])
  expectSettled(inForce(stored))
  expect((await verified(files)).problems).toEqual([])
}

/** Every intent has one end, be it that nobody knows. */
function expectSettled(records: readonly EvidenceRecord[]): void {
  const of = (...types: string[]) => records.filter(({ type }) => types.includes(type)).map(({ req }) => req ?? '')
  expect(of('call.outcome', 'call.unknown').sort()).toEqual(of('call.intent').sort())
}

/** Without what a stream holds beyond the size its successor saw: written, and never acknowledged. */
function inForce(records: readonly EvidenceRecord[]): readonly EvidenceRecord[] {
  const genesis = records.filter(({ type }) => type === 'stream.genesis').map(({ ext }) => Genesis.parse(ext))
  const sizes = new Map(genesis.map(({ prevStream }) => [prevStream?.id, prevStream?.size]))
  return records.filter(({ stream, seq }) => seq < (sizes.get(stream) ?? Infinity))
}

async function verified(files: FaultFiles) {
  using place = temporary()
  files.copyTo(place.directory)
  return await verifyDirectory(`${place.directory}/data`)
}

function closing(log: FileEvidenceLog): FileEvidenceLog & AsyncDisposable {
  return Object.assign(Object.create(log) as FileEvidenceLog, { [Symbol.asyncDispose]: () => log.close() })
}
