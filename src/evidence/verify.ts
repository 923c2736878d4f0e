import type { Claim, Head, Memory, Spot } from './head.ts'
import { adoptLeaf, adoptRecord, contradiction, memoriesOf, newHead, problemAt } from './head.ts'
import { judgeCheckpoint } from './judge-checkpoint.ts'
import { checkIntroduction, placeFlaw, recordClaim, strays } from './judge-record.ts'
import type { StreamKeys } from './keys.ts'
import { keysOf } from './keys.ts'
import { rootOf } from './merkle.ts'
import type { Problem } from './problem.ts'
import { demand, Flaw } from './problem.ts'
import type { Stored } from './stored.ts'
import { readLine } from './stored.ts'
import type { Trust } from './trust.ts'

export interface StreamOptions {
  /** The stream this must be; without it, whatever the genesis says. */
  readonly stream?: string
  /** Without it the stream's own keys are believed, and the result is untrusted. */
  readonly trust?: Trust
  readonly memories?: readonly Memory[]
  /** Leaves record signatures out: the chain and the signed checkpoints remain. */
  readonly quick?: boolean
  /** Admits leaf hashes in place of records, as bundles have them. */
  readonly hashes?: boolean
  /** File name of a segment, for messages. */
  readonly nameOf?: (segment: number) => string
  /** Sees each record that stands in the chain. Its signature may still be unchecked. */
  readonly onRecord?: (stored: Stored) => void
}

/** One line, LF removed. */
export interface SegmentLine extends Spot {
  readonly bytes: Buffer
  /** False for what stands after the last LF. */
  readonly ended: boolean
  /** Longer than any line may be; its bytes are cut short. */
  readonly overlong: boolean
}

/** What one line gave. */
interface Step {
  readonly problems: readonly Problem[]
  readonly claims: readonly Claim[]
}

export interface StreamSummary {
  readonly stream: string
  readonly records: number
  readonly checkpoints: number
  readonly closed: boolean
  /** Root over the records before the first break, lowercase hex. */
  readonly root: string
}

/** A fold over the lines of one stream, in order. Keeps the head of the stream and nothing else. */
export interface StreamVerifier {
  step(line: SegmentLine): Step
  end(): { readonly problems: readonly Problem[]; readonly summary: StreamSummary }
}

/** Problems reported of one stream; after that it is judged no further. */
export const problemsMax = 100

/** Begins to verify a stream. After a broken line the fold goes on from what the next one says of itself. */
export function streamVerifier(options: StreamOptions): StreamVerifier {
  const { stream, memories = [], nameOf = segmentFile } = options
  const head = newHead({ stream, memories, nameOf })
  let torn = false
  let stopped = false
  let count = 0

  return {
    step(line) {
      const step = { problems: [] as Problem[], claims: [] as Claim[] }
      if (stopped) return step
      try {
        if (torn) throw new Flaw('RECORD_MALFORMED', 'The segment ends within a line.')
        const opensSegment = enterSegment(head, line)
        torn = !line.ended && !line.overlong
        if (!torn) judgeLine(head, line, { ...options, opensSegment, step })
      } catch (error) {
        torn = false
        step.problems.push(brokenBy(head, error))
        // The line may have been the record that is due, or the checkpoint that the next record names.
        head.named = 'unknown'
        if (line.bytes[0] !== 0x43) head.prev = 'unknown'
      }
      count += step.problems.length
      // Without keys nothing that follows can be judged.
      stopped = count >= problemsMax || (head.brokenAt !== undefined && head.keys === undefined)
      return step
    },
    end: () => ({ problems: tailProblems(head, torn), summary: summaryOf(head) }),
  }
}

/** Moves to the line. True when it is the first of a later segment. Throws a `Flaw` when a segment is missing. */
function enterSegment(head: Head, { segment, offset, bytes }: SegmentLine): boolean {
  const before = head.at.segment
  head.at = { segment, offset }
  head.end = { segment, offset: offset + bytes.length + 1 }
  if (segment === before) return false
  demand(segment === before + 1, 'SEGMENT_MISSING', `Segment ${before + 1} is missing; the record due is ${head.next}.`)
  return before > 0
}

interface Judging extends StreamOptions {
  readonly opensSegment: boolean
  readonly step: { readonly problems: Problem[]; readonly claims: Claim[] }
}

function judgeLine(head: Head, line: SegmentLine, judging: Judging): void {
  demand(!line.overlong, 'RECORD_MALFORMED', 'The line is longer than any line may be.')
  const read = readLine(line.bytes, judging.hashes ?? false)
  if (read.kind === 'record') return judgeRecord(head, read, judging)
  demand(head.keys !== undefined, 'GENESIS_MISSING', 'The stream does not begin with its genesis.')
  if (read.kind === 'checkpoint')
    return void judging.step.claims.push(judgeCheckpoint(head, head.keys, read.note, line.bytes))
  adoptLeaf(head, read.leaf)
  checkMemories(head)
}

function judgeRecord(head: Head, stored: Stored, judging: Judging): void {
  const { step } = judging
  const flaw = placeFlaw(head, stored, judging.opensSegment)
  if (flaw !== undefined) step.problems.push(brokenBy(head, flaw))
  if (flaw !== undefined && (strays.has(flaw.code) || head.keys === undefined)) return
  head.keys ??= beginStream(head, stored, judging)
  try {
    const claim = recordClaim(head, head.keys, stored)
    if (claim !== undefined && judging.quick !== true) step.claims.push(claim)
    checkIntroduction(head.keys, stored)
  } catch (error) {
    step.problems.push(brokenBy(head, error))
  }
  adoptRecord(head, stored)
  judging.onRecord?.(stored)
  checkMemories(head)
}

function beginStream(head: Head, stored: Stored, { trust, step }: Judging): StreamKeys {
  head.stream = stored.record.stream
  const keys = keysOf(stored.record, trust)
  const why =
    trust === undefined
      ? 'No trust file was given, so nobody vouches for the keys of this stream.'
      : 'No key in the trust file delegated the keys of this stream.'
  if (!keys.trusted) step.problems.push(problemAt(head, 'UNTRUSTED_KEY', why))
  return keys
}

function checkMemories(head: Head): void {
  const other = contradiction(head)
  demand(other === undefined, 'FORK', `${other?.by} remembers another history of ${head.next} records.`)
}

function brokenBy(head: Head, error: unknown): Problem {
  if (!(error instanceof Flaw)) throw error
  const problem = problemAt(head, error.code, error.message)
  head.brokenAt ??= head.next
  return problem
}

/** What the end of the stream says, or fails to say. */
function tailProblems(head: Head, torn: boolean): readonly Problem[] {
  const memories = memoriesOf(head)
  const end = torn ? head.at : head.end
  const beyond = memories.find(({ size }) => size > head.next)
  if (beyond !== undefined) return [problemAt(head, 'TRUNCATED', `${beyond.by} remembers ${beyond.size} records.`, end)]
  const covered = memories.some(({ size, final }) => final || size === head.next)
  if (covered || head.brokenAt !== undefined) return []
  if (torn || head.next === 0) return [problemAt(head, 'TORN_TAIL', 'The last line is not whole.', end)]
  if (head.tail !== undefined)
    return [problemAt(head, 'UNSIGNED_TAIL', 'No checkpoint covers the last records.', head.tail, head.last.size)]
  if (head.closed) return []
  const why = 'The stream is neither closed nor continued: records may be missing at its end.'
  return [problemAt(head, 'OPEN_TAIL', why, end)]
}

function summaryOf(head: Head): StreamSummary {
  const { stream = '', next, checkpoints, closed, frontier } = head
  return { stream, records: next, checkpoints, closed, root: rootOf(frontier).toString('hex') }
}

function segmentFile(segment: number): string {
  return `seg-${String(segment).padStart(8, '0')}.log`
}
