import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isDataDirectory, segmentsOf, streamsOf, type StreamFolder } from '../../adapters/evidence-files.ts'
import { parseTrust } from '../../evidence/trust.ts'
import { verifyEvidence } from '../verify.ts'
import { bad, fine, together, warn, type Finding } from './finding.ts'

/** Larger streams take too long for a look in passing, bytes. */
const sizeMax = 256 * 1024 * 1024

/** The newest stream of each gateway, as far as a quick look tells. The whole truth is `evidence verify`'s. */
export async function evidenceFinding(data: string): Promise<Finding> {
  if (!isDataDirectory(data)) return fine('no evidence yet')
  const streams = await streamsOf(data)
  const newest = [...new Map(streams.map((stream) => [stream.gateway, stream])).values()]
  const findings = await Promise.all(newest.map((stream) => streamFinding(data, stream)))
  const aside = join(data, 'quarantine')
  const kept = existsSync(aside)
    ? readdirSync(aside, { recursive: true }).filter((name) => String(name).endsWith('.bin')).length
    : 0
  const torn = warn(
    `${aside} holds ${kept} torn ends of earlier runs.`,
    'Look why the process died; then archive them.',
  )
  return together([...findings, ...(kept > 0 ? [torn] : [])], `${streams.length} streams; the newest are intact`)
}

async function streamFinding(data: string, { directory }: StreamFolder): Promise<Finding> {
  const full = `Run "sluicegate evidence verify ${data}".`
  const segments = await segmentsOf(directory)
  const sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0)
  if (sizeBytes > sizeMax) return warn(`${directory} is too large for a quick look.`, full)
  const trust = join(data, 'trust.json')
  if (existsSync(trust) && !isTrust(trust))
    return warn(`${directory} cannot be judged without ${trust}.`, `Mend it first.`)
  const report = await verifyEvidence({ path: directory, quick: true, ...(existsSync(trust) && { trustFile: trust }) })
  // Open means that somebody is writing it, or died: the next start sees to that.
  const problems = report.problems.filter(({ code }) => code !== 'OPEN_TAIL')
  if (problems.length === 0) return fine('')
  const codes = [...new Set(problems.map(({ code }) => code))].join(', ')
  return bad(`The evidence in ${directory} does not verify (${codes}).`, full)
}

function isTrust(file: string): boolean {
  try {
    parseTrust(readFileSync(file, 'utf8'))
    return true
  } catch {
    return false
  }
}
