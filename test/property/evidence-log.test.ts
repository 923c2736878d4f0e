import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FileEvidenceLog } from '../../src/adapters/evidence-log-file.ts'
import type { Receipt } from '../../src/ports/evidence-log.ts'
import { testClock } from '../support/clock.ts'
import type { TestClock } from '../support/clock.ts'
import { denial, intent, openTestLog, outcome, recordsIn, temporary } from '../support/evidence.ts'
import { verifyDirectory } from '../support/evidence-verified.ts'
import { faultFiles } from '../support/fault-files.ts'
import type { Fault, FaultFiles } from '../support/fault-files.ts'

/** What may happen to a log, in any order. */
type Step =
  | { readonly kind: 'append'; readonly count: number }
  | { readonly kind: 'write'; readonly isEnded: boolean }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'close' }
  | { readonly kind: 'killed'; readonly fault: Fault | undefined }
  | {
      readonly kind: 'power cut'
      readonly survival: 'nothing' | 'half' | 'everything' | 'a hole'
      readonly fault: Fault | undefined
    }

const at = fc.integer({ min: 1, max: 60 })
const fault = fc.option(
  fc.oneof(
    fc.record({ kind: fc.constant('error' as const), at, code: fc.constantFrom('EIO' as const, 'ENOSPC' as const) }),
    fc.record({ kind: fc.constant('short' as const), at }),
    fc.record({ kind: fc.constant('stop' as const), at }),
  ),
  { nil: undefined },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), isEnded: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(10, 2_000, 90_000_000) }),
  },
  fc.record({ kind: fc.constant('close' as const) }),
  fc.record({ kind: fc.constant('killed' as const), fault }),
  fc.record({
    kind: fc.constant('power cut' as const),
    survival: fc.constantFrom('nothing' as const, 'half' as const, 'everything' as const, 'a hole' as const),
    fault,
  }),
)

/** A flush fails, the log goes on in another stream, and only much later a power cut takes what the first file held in memory. */
const leftInMemory: Step[] = [
  { kind: 'write', isEnded: false },
  { kind: 'power cut', survival: 'nothing', fault: { kind: 'error', at: 16, code: 'EIO' } },
  { kind: 'write', isEnded: false },
  { kind: 'close' },
  { kind: 'append', count: 1 },
  { kind: 'power cut', survival: 'a hole', fault: undefined },
]

describe('the evidence log, whatever happens to it', () => {
  it('keeps what it acknowledged and verifies after the next start', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 15 }), async (steps) => {
        const world = worldOf()
        for (const one of steps) await world.step(one)
        const { files, acknowledged } = await world.end()

        const stored = await recordsIn(files, '/data')
        const places = new Set(stored.map(({ stream, seq }) => `${stream} ${seq}`))
        expect(acknowledged.filter(({ stream, seq }) => !places.has(`${stream} ${seq}`))).toEqual([])
        using place = temporary()
        files.copyTo(place.directory)
        expect((await verifyDirectory(`${place.directory}/data`)).problems).toEqual([])
      }),
      { numRuns: Number(process.env['SLUICEGATE_RUNS'] ?? 60), examples: [[leftInMemory]] },
    )
  })
})

function worldOf() {
  const clock: TestClock = testClock()
  const acknowledged: Receipt[] = []
  let files: FaultFiles = faultFiles()
  let log: FileEvidenceLog | undefined
  let calls = 0

  const append = async (entry: Parameters<FileEvidenceLog['append']>[0]): Promise<boolean> => {
    log ??= await openTestLog({ directory: '/data', files, clock, segmentBytesMax: 5_000 }).catch(() => undefined)
    const receipt = await log?.append(entry).catch(() => undefined)
    if (receipt !== undefined) acknowledged.push(receipt)
    return receipt !== undefined
  }
  const close = async () => {
    await log?.close().catch(() => undefined)
    log = undefined
  }

  async function step(one: Step): Promise<void> {
    const name = `call-${calls++}`
    if (one.kind === 'append')
      await Promise.all(Array.from({ length: one.count }, (_, index) => append(denial(`${name}-${index}`))))
    if (one.kind === 'write' && (await append(intent(name))) && one.isEnded) await append(outcome(name))
    if (one.kind === 'time') clock.advance(one.ms)
    if (one.kind === 'close') await close()
    if (one.kind === 'killed') restart(files.afterKill(one.fault))
    if (one.kind === 'power cut') restart(files.afterPowerCut(one.survival, one.fault))
  }

  function restart(next: FaultFiles): void {
    files = next
    log = undefined
  }

  return {
    step,
    async end() {
      restart(files.afterKill())
      await append(denial('last'))
      await close()
      return { files, acknowledged }
    },
  }
}
