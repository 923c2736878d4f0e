import type { BusRecord, TopicPlan } from '../ports/bus.ts'
import { parseNote } from './checkpoint.ts'
import { parseLine } from './chain.ts'
import type { EvidenceRecord } from './record.ts'

/** Where evidence goes on the bus. */
export const topics = {
  records: 'sluicegate.evidence.records.v1',
  checkpoints: 'sluicegate.evidence.checkpoints.v1',
} as const

/** A week: consumers that were away longer read the segments themselves. */
const keptMs = String(7 * 24 * 3600 * 1000)

/** The topics that evidence needs, for a cluster of this size. */
export function evidenceTopics(partitions: number, replicas: number): readonly TopicPlan[] {
  const kept = (name: string, cleanup: string): TopicPlan => ({
    name,
    partitions,
    replicas,
    settings: {
      'cleanup.policy': cleanup,
      'min.insync.replicas': String(Math.max(1, replicas - 1)),
      'retention.ms': keptMs,
    },
  })
  return [kept(topics.records, 'delete'), kept(topics.checkpoints, 'compact,delete')]
}

/** What is on its way: the literal lines of one stream, in their order. */
export interface Shipment {
  readonly records: readonly BusRecord[]
  /** Lines taken, which are fewer than given when the rest is not durable yet. */
  readonly lines: number
  /** Records of the stream up to its end. */
  readonly size: number
  /** `tsMs` of its oldest record. */
  readonly oldestMs?: number
}

/** One stream, as far as it was packed. Begins at its genesis or where somebody left off. */
export interface Packer {
  /**
   * Packs whole lines, LF removed, up to the last that is durable: `durableSize` is how many records of the stream are,
   * `Number.MAX_SAFE_INTEGER` for all there are. A stream is written in order, so whatever stands before a durable line is there
   * too: a damaged line goes as it stands, for whoever verifies to find.
   */
  pack(lines: readonly Uint8Array[], durableSize: number): Shipment
}

/**
 * Packs the lines of one stream for the bus. The value is the stored line, byte for byte, so that whoever receives it
 * verifies what was signed; headers repeat what routes it, and hold no personal data.
 */
export function packer(stream: string, kid: string): Packer {
  const carrying = (topic: string, line: Uint8Array, headers: BusRecord['headers']): BusRecord => ({
    topic,
    key: stream,
    value: Buffer.from(line),
    headers: { ...headers, ...(kid !== '' && { kid }) },
  })

  function packed(line: Uint8Array): PackedLine {
    const parsed = parseLine(line)
    const record = parsed.kind === 'record' ? routed(parsed.text) : undefined
    if (record !== undefined) return { records: [recordOf(line, record)], upTo: record.seq + 1, tsMs: record.tsMs }
    const note = parsed.kind === 'checkpoint' ? parseNote(parsed.note) : undefined
    if (note !== undefined) return { records: checkpointOf(line, note.size), upTo: note.size }
    return { records: [carrying(topics.records, line, { type: 'malformed' })] }
  }

  function recordOf(line: Uint8Array, { type, seq, traceId, tenant, session }: Routed): BusRecord {
    const where = { ...(traceId && { traceId }), ...(tenant && { tenant }), ...(session && { session }) }
    return carrying(topics.records, line, { type, seq: String(seq), ...where })
  }

  /** In its place among the records, and on a topic of its own, which is short. */
  function checkpointOf(line: Uint8Array, size: number): readonly BusRecord[] {
    const headers = { type: 'checkpoint', seq: String(size) }
    return [topics.records, topics.checkpoints].map((topic) => carrying(topic, line, headers))
  }

  return {
    pack(lines, durableSize) {
      const all = lines.map(packed)
      const isDurable = ({ upTo }: PackedLine) => upTo !== undefined && upTo <= durableSize
      const end = durableSize === Number.MAX_SAFE_INTEGER ? all.length : all.findLastIndex(isDurable) + 1
      const taken = all.slice(0, end)
      const oldestMs = taken.find(({ tsMs }) => tsMs !== undefined)?.tsMs
      return {
        records: taken.flatMap(({ records }) => records),
        lines: taken.length,
        size: taken.findLast(isDurable)?.upTo ?? 0,
        ...(oldestMs !== undefined && { oldestMs }),
      }
    },
  }
}

interface PackedLine {
  readonly records: readonly BusRecord[]
  /** Records of the stream up to and with this line; absent for one that is damaged. */
  readonly upTo?: number
  /** Of records alone. */
  readonly tsMs?: number
}

type Routed = Pick<EvidenceRecord, 'type' | 'seq' | 'tsMs' | 'traceId' | 'tenant' | 'session'>

/** What headers repeat. Whether it is a record that fits its schema is the verifier's to say, on the other side. */
function routed(text: string): Routed | undefined {
  try {
    const record = JSON.parse(text) as Routed
    return Number.isSafeInteger(record.seq) && typeof record.type === 'string' ? record : undefined
  } catch {
    return undefined
  }
}
