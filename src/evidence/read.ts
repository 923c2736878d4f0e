import type { EvidenceRecord } from './record.ts'

/** Which records to read. Everything that is named must hold; nothing named means all. */
export interface RecordFilter {
  readonly trace?: string
  readonly session?: string
  /** Exact id of the actor. */
  readonly actor?: string
  readonly tool?: string
  /** Milliseconds since the epoch, both ends included. */
  readonly sinceMs?: number
  readonly untilMs?: number
}

/** A record as it was stored: what it says, and the exact text that says it. */
export interface ReadRecord {
  readonly record: EvidenceRecord
  readonly text: string
}

/** True when a record fits a filter. */
export function fits(record: EvidenceRecord, filter: RecordFilter): boolean {
  const { trace, session, actor, tool, sinceMs = 0, untilMs = Infinity } = filter
  return (
    (trace === undefined || record.traceId === trace) &&
    (session === undefined || record.session === session) &&
    (actor === undefined || record.actor?.id === actor) &&
    (tool === undefined || record.tool?.name === tool) &&
    record.tsMs >= sinceMs &&
    record.tsMs <= untilMs
  )
}

/**
 * A test on the stored bytes that spares parsing most records: false only for a record that cannot fit. Exact, because
 * the canonical form spells every string one way.
 */
export function mayFit(filter: RecordFilter): (bytes: Buffer) => boolean {
  const { trace, session, actor, tool } = filter
  const marks = [trace, session, actor, tool].filter((value) => value !== undefined)
  const needles = marks.map((value) => Buffer.from(JSON.stringify(value)))
  return (bytes) => needles.every((needle) => bytes.includes(needle))
}
