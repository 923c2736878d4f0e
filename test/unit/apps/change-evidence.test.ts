import { describe, expect, it } from 'vitest'
import { changes, type ChangesParts } from '../../../src/apps/change.ts'
import { loadEntries } from '../../../src/apps/entries.ts'
import type { GatewayOptions } from '../../../src/apps/options.ts'
import type { EvidenceRecord } from '../../../src/evidence/record.ts'
import { testClock } from '../../support/clock.ts'
import { openTestLog, recordsIn } from '../../support/evidence.ts'
import { faultFiles, type Fault, type FaultFiles } from '../../support/fault-files.ts'

const directory = '/data'
const optionsOf = (configDigest: string, policy: string, catalog: string) =>
  ({
    configDigest,
    policy: { digest: policy, rulesCount: 1 },
    catalog: { digest: catalog, list: [] },
    detector: { rules: { digest: 'r' } },
    egress: {},
    sinks: [],
    services: { tls: {} },
  }) as unknown as GatewayOptions
const [one, two] = [optionsOf('one', 'p1', 'c1'), optionsOf('two', 'p2', 'c2')]

/** What the evidence says is in force: a part counts from the configuration on that it names, or at once when it names none. */
function claimed(records: readonly EvidenceRecord[]): readonly unknown[] {
  let [config, policy, catalog]: unknown[] = []
  const pending = new Map<unknown, Readonly<Record<string, unknown>>>()
  for (const { type, ext } of records) {
    const { config: of, digest, inForce } = ext ?? {}
    if (type === 'policy.load' && of === undefined) policy = digest
    else if (type === 'catalog.load' && of === undefined) catalog = digest
    else if (type === 'policy.load') pending.set(of, { ...pending.get(of), policy: digest })
    else if (type === 'catalog.load') pending.set(of, { ...pending.get(of), catalog: digest })
    else if (type === 'config.refused') {
      pending.delete(digest)
      expect(inForce).toBe(config)
    } else if (type === 'config.load') {
      config = digest
      ;({ policy = policy, catalog = catalog } = pending.get(digest) ?? {})
    }
  }
  return [config, policy, catalog]
}

/** A gateway's log with version one in force, and then the attempt to put two in force while something fails. */
async function attempt(fault?: Fault) {
  const files = faultFiles(fault)
  const log = await openTestLog({ directory, files, reopenMs: 0 })
  await Promise.all(loadEntries(one).map((entry) => log.append(entry)))
  const before = files.count()
  let inForce = one
  const parts = {
    service: {
      options: () => inForce,
      build: (options: GatewayOptions) => ({ options }),
      swap: ({ options }: { options: GatewayOptions }) => void (inForce = options),
    },
    detector: { prepare: () => () => undefined, settled: async () => undefined, tell: async () => undefined },
    log,
    meters: { reload: () => undefined },
    clock: testClock(),
    report: () => undefined,
    fault: () => undefined,
  } as unknown as ChangesParts
  const made = changes(parts)
  const changed = await made.change(two).then(
    () => true,
    () => false,
  )
  let written = true
  if (!changed) {
    const refused = { digest: 'two', problems: ['The log.'] }
    written = await made.refused(refused)
    // A disk that failed once takes what is written again.
    const triesMax = fault?.kind === 'error' ? 3 : 0
    for (let tries = 0; !written && tries < triesMax; tries++) written = await made.record(refused)
  }
  return { files, before, changed, written, inForce: () => inForce }
}

/** What the next process finds, once it has settled the log. */
async function foundBy(files: FaultFiles): Promise<readonly EvidenceRecord[]> {
  await openTestLog({ directory, files })
  return recordsIn(files, directory)
}

describe('a change of configuration in evidence', () => {
  it('is policy, catalog and configuration at once', async () => {
    const { files, changed, inForce } = await attempt()
    expect([changed, inForce()]).toEqual([true, two])
    expect(claimed(await foundBy(files.afterKill()))).toEqual(['two', 'p2', 'c2'])
  })

  it.each(['error', 'full', 'short', 'partial'] as const)(
    'is whole or refused, whichever operation has the fault: %s',
    async (kind) => {
      const { before, files: sound } = await attempt()
      let refused = 0
      for (let at = before + 1; at <= sound.count(); at++) {
        const { files, changed, written, inForce } = await attempt({ kind, at, code: 'EIO' })
        expect(files.hit()).toBe(true)
        expect(inForce()).toBe(changed ? two : one)
        const records = await foundBy(files.afterKill())
        if (changed) expect(claimed(records)).toEqual(['two', 'p2', 'c2'])
        // What was not acknowledged may stand in a failed file; where refusing was, it has the last word.
        else if (written) expect(claimed(records)).toEqual(['one', 'p1', 'c1'])
        if (!changed) refused += 1
        if (kind === 'error' && !changed)
          expect(records.filter(({ type }) => type === 'config.refused').map(({ ext }) => ext?.['digest'])).toEqual([
            'two',
          ])
      }
      if (kind !== 'partial') expect(refused).toBeGreaterThan(0)
    },
  )

  it('is one version or the other, never parts of both, wherever the process dies', async () => {
    const { before, files: sound } = await attempt()
    for (let at = before + 1; at <= sound.count(); at++) {
      const { files } = await attempt({ kind: 'stop', at })
      for (const survival of ['nothing', 'half', 'most', 'everything'] as const) {
        const found = claimed(await foundBy(files.afterPowerCut(survival)))
        expect([
          ['one', 'p1', 'c1'],
          ['two', 'p2', 'c2'],
        ]).toContainEqual(found)
      }
    }
  })
})
