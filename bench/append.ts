import { join } from 'node:path'
import { openEvidenceLog } from '../src/adapters/evidence-log-file.ts'
import { systemClock } from '../src/adapters/clock-system.ts'
import { openKeys } from '../src/adapters/keys-file.ts'
import { serveParent } from './child.ts'
import { entryOf } from './records.ts'
import { verified } from './verified.ts'

/** What a log took, and whether it proves it. */
export interface Appended {
  readonly records: number
  readonly perS: number
  /** Records a second of the verifier over this log: with every signature, and with checkpoints alone. */
  readonly verifyPerS: { readonly full: number; readonly quick: number }
  /** Why the run does not count, if it does not. */
  readonly problem?: string
}

/** Appends from 256 callers, each waiting until its last record is durable, then verifies what was written. */

const appendersCount = 256

const [directory = '', signing = '', duration = '0'] = process.argv.slice(2)
const taken = await append(directory, signing === 'checkpoint' ? signing : 'record+checkpoint', Number(duration))
serveParent({ ...taken, ...(await verifiedLog(directory, taken.records)) } satisfies Appended, () => undefined)

async function append(data: string, how: 'record+checkpoint' | 'checkpoint', durationMs: number) {
  const clock = systemClock()
  const keys = await openKeys(join(data, 'keys'), clock, 'bench')
  const { deployment: deploymentSigner, trusted } = keys
  const names = { gateway: 'gateway', deployment: 'bench' }
  const log = await openEvidenceLog({ directory: data, ...names, deploymentSigner, trusted, clock, signing: how })
  let next = 0
  let records = 0
  const callUntil = async (untilMs: number): Promise<void> => {
    while (performance.now() < untilMs) {
      await log.append(entryOf(next++))
      records += 1
    }
  }
  const load = (forMs: number) =>
    Promise.all(Array.from({ length: appendersCount }, () => callUntil(performance.now() + forMs)))
  await load(durationMs / 2)
  const before = records
  const beganMs = performance.now()
  await load(durationMs)
  const perS = ((records - before) / (performance.now() - beganMs)) * 1000
  await log.close()
  return { records, perS }
}

/** The first pass is not timed: compilers settle. */
async function verifiedLog(data: string, appendedCount: number) {
  const first = await verified(data, true)
  const quick = await verified(data, true)
  const full = await verified(data, false)
  const lost = full.records < appendedCount ? `${appendedCount} appends, ${full.records} records` : undefined
  const problem = first.problem ?? quick.problem ?? full.problem ?? lost
  return { verifyPerS: { full: full.perS, quick: quick.perS }, ...(problem !== undefined && { problem }) }
}
