import { isDataDirectory, readRecords } from '../../adapters/evidence-files.ts'
import type { ReadRecord, RecordFilter } from '../../evidence/read.ts'
import type { EvidenceRecord } from '../../evidence/record.ts'
import { momentsOf } from '../../evidence/timeline.ts'

export interface ListFlags {
  readonly data: string
  readonly trace?: string
  readonly session?: string
  readonly actor?: string
  readonly tool?: string
  readonly since?: number
  readonly until?: number
  readonly limit?: number
  readonly json?: true
}

/** Prints one line per record. */
export async function list(flags: ListFlags): Promise<void> {
  const { limit = Infinity, json } = flags
  const newest: ReadRecord[] = []
  for await (const read of recordsOf(flags)) {
    if (limit === Infinity) print(json ? read.text : lineOf(read.record))
    else if (newest.push(read) > limit) newest.shift()
  }
  for (const { record, text } of newest) print(json ? text : lineOf(record))
}

/** Prints records in full. */
export async function show(flags: ListFlags): Promise<void> {
  for await (const { record, text } of recordsOf(flags)) print(flags.json ? text : detailOf(record))
}

function recordsOf({ data, trace, session, actor, tool, since, until }: ListFlags): AsyncGenerator<ReadRecord> {
  if (!isDataDirectory(data)) throw new Error(`${data} holds no evidence; name a data directory with --data.`)
  const filter: RecordFilter = {
    ...(trace !== undefined && { trace }),
    ...(session !== undefined && { session }),
    ...(actor !== undefined && { actor }),
    ...(tool !== undefined && { tool }),
    ...(since !== undefined && { sinceMs: since }),
    ...(until !== undefined && { untilMs: until }),
  }
  return readRecords(data, filter)
}

function lineOf(record: EvidenceRecord): string {
  const { tsMs, type, decision, actor, tool, tenant, traceId, session, stream, seq } = record
  const columns = [
    new Date(tsMs).toISOString(),
    type.padEnd(15),
    (decision?.effect ?? '').padEnd(5),
    (tool?.name ?? '').padEnd(15),
    `${actor?.id ?? ''}${tenant === undefined ? '' : ` (${tenant})`}`.padEnd(28),
    traceId ?? ' '.repeat(32),
    (session ?? '').padEnd(26),
    `${stream.slice(-8)}/${seq}`,
    denialOf(record),
  ]
  return columns.map(plain).join('  ').trimEnd()
}

/** Why a call was refused: its code, and what operators alone are told. */
function denialOf({ decision, ext }: EvidenceRecord): string {
  if (decision?.effect !== 'deny') return ''
  return [decision.reasonCode, ext?.['cause']].filter((part) => typeof part === 'string').join(': ')
}

function detailOf(record: EvidenceRecord): string {
  const [moment] = momentsOf([record])
  const told = moment === undefined ? record.type : `${moment.who} ${moment.what}`.trim()
  const heading = `${new Date(record.tsMs).toISOString()}  ${told}  [${record.stream} ${record.seq}]`
  return `${plain(heading)}\n${JSON.stringify(record, null, 2)}\n`
}

/** Text that cannot steer a terminal. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
