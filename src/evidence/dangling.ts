import { EvidenceRecord } from './record.ts'
import type { EvidenceEntry } from './record.ts'

/** An intent that may have taken effect: no outcome was recorded. */
export type Intent = EvidenceRecord

/** What a restart found out about one call: its intent is durable, its outcome is not. */
export interface Unknown {
  readonly stream: string
  readonly seq: number
  readonly req: string
  readonly callId?: string
  readonly tool: string
  readonly tenant?: string
  readonly session?: string
  /** Digest of the idempotency key, which nobody may reuse blindly. */
  readonly idemKeyDigest?: string
}

/** A step in the life of a write: its intent, or anything that says how it ended. */
export interface LifeEvent {
  readonly key: string
  readonly seq: number
  /** Absent when the event ends the call. */
  readonly intent?: Intent
}

// JCS puts `"type":"…"` verbatim at the top level; a nested look-alike is sorted out by parsing.
const opens = '"type":"call.intent"'
const ends = ['"type":"call.outcome"', '"type":"call.unknown"', '"type":"call.decision"']

/** What a record says about the life of a write. Undefined for most records, cheaply; `watching` false skips ends nobody waits for. */
export function lifeEvent(text: string, watching: boolean): LifeEvent | undefined {
  const isIntent = text.includes(opens)
  if (!isIntent && !(watching && ends.some((mark) => text.includes(mark)))) return undefined
  const record = readRecord(text)
  if (record?.req === undefined) return undefined
  const event = { key: callKey(record), seq: record.seq }
  if (record.type === 'call.intent') return { ...event, intent: record }
  return record.type === 'call.outcome' || record.type === 'call.unknown' || record.type === 'call.decision'
    ? event
    : undefined
}

/** The record a restart writes, once, for an intent without outcome. */
export function unknownEntry(intent: Intent): EvidenceEntry {
  const { traceId, spanId, session, tenant, actor, tool, idem, stream, seq } = intent
  const callId = intent.ext?.['callId']
  return {
    type: 'call.unknown',
    ...(traceId !== undefined && { traceId }),
    ...(spanId !== undefined && { spanId }),
    ...(session !== undefined && { session }),
    ...(intent.req !== undefined && { req: intent.req }),
    ...(tenant !== undefined && { tenant }),
    ...(actor !== undefined && { actor }),
    ...(tool !== undefined && { tool }),
    ...(idem !== undefined && { idem }),
    ext: { stream, seq, ...(typeof callId === 'string' && { callId }) },
  }
}

/** The same, for the gateway that must keep the idempotency key from being tried again. */
export function unknownOf(intent: Intent): Unknown {
  const { stream, seq, req = '', tool, tenant, session, idem } = intent
  const callId = intent.ext?.['callId']
  return {
    stream,
    seq,
    req,
    tool: tool?.name ?? '',
    ...(typeof callId === 'string' && { callId }),
    ...(tenant !== undefined && { tenant }),
    ...(session !== undefined && { session }),
    ...(idem !== undefined && { idemKeyDigest: idem.keyDigest }),
  }
}

/** A record read back from its text; undefined when it is none. */
export function readRecord(text: string): EvidenceRecord | undefined {
  try {
    const read = EvidenceRecord.safeParse(JSON.parse(text))
    return read.success ? read.data : undefined
  } catch {
    return undefined
  }
}

/** What ties a call's records together: its own id, or else the request's. */
function callKey(record: EvidenceRecord): string {
  const callId = record.ext?.['callId']
  return typeof callId === 'string' ? `call ${callId}` : `req ${record.req ?? ''}`
}
