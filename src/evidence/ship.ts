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
  /** Number of the first record that is not in it. */
  readonly nextSeq: number
  /** `tsMs` of its oldest record. */
  readonly oldestMs?: number
}

/** One stream, as far as it was packed. Begins at its genesis or where somebody left off. */
export interface Packer {
  /**
   * Packs whole lines, LF removed, up to the first that is not durable: `durableSize` is how many records of the stream
   * are, `Number.MAX_SAFE_INTEGER` for all. A damaged line goes as it stands, for whoever verifies to find, unless it may still be on its way to the disk.
   */
  pack(lines: readonly Uint8Array[], durableSize: number): Shipment
}

/**
 * Packs the lines of one stream for the bus. The value is the stored line, byte for byte, so that whoever receives it
 * verifies what was signed; headers repeat what routes it, and hold no personal data.
 */
export function packer(stream: string, kid: string): Packer {
  function packed(line: Uint8Array, durableSize: number): PackedLine | undefined {
    const parsed = parseLine(line)
    const record = parsed.kind === 'record' ? routed(parsed.text) : undefined
    if (record !== undefined)
      return record.seq < durableSize
        ? { records: [recordOf(line, record)], seq: record.seq, tsMs: record.tsMs }
        : undefined
    const note = parsed.kind === 'checkpoint' ? parseNote(parsed.note) : undefined
    if (note !== undefined) return note.size <= durableSize ? { records: checkpointOf(line, note.size) } : undefined
    const damaged = carrying(topics.records, line, { type: 'malformed', kid })
    return durableSize === Number.MAX_SAFE_INTEGER ? { records: [damaged] } : undefined
  }

  function recordOf(line: Uint8Array, { type, seq, traceId, tenant, session }: Routed): BusRecord {
    const routed = { ...(traceId && { traceId }), ...(tenant && { tenant }), ...(session && { session }) }
    return carrying(topics.records, line, { type, seq: String(seq), kid, ...routed })
  }

  /** In its place among the records, and on a topic where the newest of each stream is kept. */
  function checkpointOf(line: Uint8Array, size: number): readonly BusRecord[] {
    const headers = { type: 'checkpoint', seq: String(size), kid }
    return [topics.records, topics.checkpoints].map((topic) => carrying(topic, line, headers))
  }

  const carrying = (topic: string, line: Uint8Array, headers: BusRecord['headers']): BusRecord => ({
    topic,
    key: stream,
    value: Buffer.from(line),
    headers,
  })

  return {
    pack(lines, durableSize) {
      const taken: PackedLine[] = []
      for (const line of lines) {
        const one = packed(line, durableSize)
        if (one === undefined) break
        taken.push(one)
      }
      const numbered = taken.filter((one) => one.seq !== undefined)
      const oldestMs = numbered[0]?.tsMs
      return {
        records: taken.flatMap(({ records }) => records),
        lines: taken.length,
        nextSeq: (numbered.at(-1)?.seq ?? -1) + 1,
        ...(oldestMs !== undefined && { oldestMs }),
      }
    },
  }
}

interface PackedLine {
  readonly records: readonly BusRecord[]
  /** Absent for checkpoints. */
  readonly seq?: number
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
