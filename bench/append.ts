import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openEvidenceLog } from '../src/adapters/evidence-log-file.ts'
import { systemClock } from '../src/adapters/clock-system.ts'
import { openKeys } from '../src/adapters/keys-file.ts'
import { verifyEvidence } from '../src/apps/verify.ts'
import { serveParent } from './child.ts'
import { entryOf } from './records.ts'

/** What a log took, and whether it proves it. */
export interface Appended {
  readonly records: number
  readonly perS: number
  /** Why the run does not count, if it does not. */
  readonly problem?: string
}

/** Appends from 256 callers, each waiting until its last record is durable, then verifies what was written. */

const appendersCount = 256

const [directory = '', signing = '', duration = '0'] = process.argv.slice(2)
const appended = await append(directory, signing === 'checkpoint' ? signing : 'record+checkpoint', Number(duration))
serveParent(appended, () => undefined)

async function append(data: string, how: 'record+checkpoint' | 'checkpoint', durationMs: number): Promise<Appended> {
  const clock = systemClock()
  const keys = await openKeys(join(data, 'keys'), clock, 'bench')
  const { deployment: deploymentSigner, trusted } = keys
  const names = { gateway: 'gateway', deployment: 'bench' }
  const log = await openEvidenceLog({ directory: data, ...names, deploymentSigner, trusted, clock, signing: how })
  writeFileSync(join(data, 'trust.json'), JSON.stringify(keys.trust))
  let records = 0
  let next = 0
  const callUntil = async (untilMs: number): Promise<void> => {
    while (performance.now() < untilMs) {
      await log.append(entryOf(next++))
      records += 1
    }
  }
  const load = (forMs: number) =>
    Promise.all(Array.from({ length: appendersCount }, () => callUntil(performance.now() + forMs)))
  await load(durationMs / 4)
  const before = records
  const beganMs = performance.now()
  await load(durationMs)
  const perS = ((records - before) / (performance.now() - beganMs)) * 1000
  await log.close()
  const problem = await problemOf(data, records)
  return { records, perS, ...(problem !== undefined && { problem }) }
}

/** A quick look is enough here: that signatures hold is measured elsewhere. */
async function problemOf(data: string, appendedCount: number): Promise<string | undefined> {
  const report = await verifyEvidence({ path: data, quick: true })
  if (!report.ok) return `the log does not verify: ${JSON.stringify(report.problems[0])}`
  return report.records < appendedCount ? `${appendedCount} appends, ${report.records} records` : undefined
}
