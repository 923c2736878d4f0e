import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  isDataDirectory,
  linesIn,
  segmentAt,
  segmentsOf,
  streamsOf,
  type Segment,
} from '../../adapters/evidence-files.ts'
import { detector, type Detector } from '../../detection/fold.ts'
import { replay, type ReplayReport } from '../../detection/replay.ts'
import { verifySnapshot } from '../../detection/snapshot.ts'
import type { EvidenceRecord } from '../../evidence/record.ts'
import { readLine } from '../../evidence/stored.ts'
import { TrustFile } from '../../evidence/trust.ts'
import { print, say } from './policy-files.ts'
import { openedRules } from './rules-files.ts'

interface ReplayOptions {
  readonly evidence: string
  readonly baseline?: string
  readonly trust?: string
  readonly json?: true
}

interface Read {
  readonly record: EvidenceRecord
  readonly leaf: string
}

/** Every rule at its ceiling, so that the report shows who would have been stopped. Signatures are `evidence verify`'s business. */
export async function replayRules(paths: readonly string[], options: ReplayOptions): Promise<void> {
  const opened = openedRules(paths, options.json === true)
  if (!opened) return
  const streams = await streamsAt(options.evidence)
  const fold = detector({ rules: opened.set, stages: { default: 'enforce', rules: {} } })
  if (options.baseline !== undefined) restoreFrom(fold, options.baseline, options)
  const run = replay(fold)
  const unreadable = { count: 0 }
  for await (const { record, leaf } of merged(streams.map((segments) => records(segments, unreadable))))
    run.record(record, leaf)
  const report = run.report()
  if (options.json)
    print({ ok: unreadable.count === 0, digest: opened.set.digest, unreadable: unreadable.count, ...report })
  else print(tableOf(report))
  if (unreadable.count === 0) return
  say(`${unreadable.count} lines could not be read; run \`sluicegate evidence verify ${options.evidence}\`.`)
  process.exitCode = 2
}

async function streamsAt(path: string): Promise<readonly (readonly Segment[])[]> {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) throw new Error(`There is no evidence at ${path}.`)
  if (!found.isDirectory()) return [[await segmentAt(path)]]
  if (!isDataDirectory(path)) return [await segmentsOf(path)]
  return Promise.all((await streamsOf(path)).map(({ directory }) => segmentsOf(directory)))
}

async function* records(segments: readonly Segment[], unreadable: { count: number }): AsyncGenerator<Read> {
  for await (const { bytes, ended } of linesIn(segments)) {
    const read = ended ? readOne(bytes) : undefined
    if (read === undefined) unreadable.count += 1
    else if (read !== 'other') yield read
  }
}

function readOne(bytes: Uint8Array): Read | 'other' | undefined {
  try {
    const line = readLine(bytes, true)
    return line.kind === 'record' ? { record: line.record, leaf: line.leaf.toString('hex') } : 'other'
  } catch {
    return undefined
  }
}

/** Streams as one, by time, then stream, then position: a replay is the same however files were found. */
async function* merged(streams: readonly AsyncGenerator<Read>[]): AsyncGenerator<Read> {
  const heads = await Promise.all(streams.map(async (stream) => ({ stream, next: await stream.next() })))
  for (;;) {
    const live = heads.filter(({ next }) => next.done !== true)
    if (live.length === 0) return
    const first = live.reduce((one, other) =>
      isBefore(other.next.value as Read, one.next.value as Read) ? other : one,
    )
    yield first.next.value as Read
    first.next = await first.stream.next()
  }
}

function isBefore({ record: one }: Read, { record: other }: Read): boolean {
  return one.tsMs === other.tsMs ? one.stream < other.stream : one.tsMs < other.tsMs
}

function restoreFrom(fold: Detector, file: string, { evidence, trust }: ReplayOptions): void {
  const trustFile = trust ?? join(evidence, 'trust.json')
  if (!existsSync(trustFile))
    throw new Error(`There is no trust file at ${trustFile}; name the one that vouches for ${file} with --trust.`)
  const { keys } = TrustFile.parse(JSON.parse(readFileSync(trustFile, 'utf8')))
  const trusted = new Map(
    keys.filter(({ use }) => use === 'deployment').map(({ kid, pub }) => [kid, Buffer.from(pub, 'base64')] as const),
  )
  const opened = verifySnapshot(JSON.parse(readFileSync(file, 'utf8')), trusted)
  if (opened.kind === 'refused') throw new Error(`${file}: ${opened.message}`)
  fold.restore(opened.snapshot)
}

function tableOf({ records, sessions, alerts, per1000Sessions, rules }: ReplayReport): string {
  const rows = rules.map(
    (one) =>
      `${one.rule.padEnd(28)}${String(one.alerts).padStart(7)}${String(one.sessions).padStart(10)}${one.per1000Sessions.toFixed(1).padStart(12)}  ${told(one.responses)}`,
  )
  const head = `${'rule'.padEnd(28)}${'alerts'.padStart(7)}${'sessions'.padStart(10)}${'per 1,000'.padStart(12)}  would have`
  return [
    head,
    ...rows,
    `${alerts} alerts over ${records} records and ${sessions} sessions: ${per1000Sessions.toFixed(1)} per 1,000 sessions`,
  ].join('\n')
}

const told = (responses: ReplayReport['rules'][number]['responses']) =>
  Object.values(responses)
    .map(({ action, mode, count, targets }) => `${action} ${mode} ${count} (${targets} targets)`)
    .join(', ')
