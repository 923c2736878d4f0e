import type { KeyObject } from 'node:crypto'
import { genesisPrev } from './chain.ts'
import type { StreamKeys } from './keys.ts'
import type { Frontier } from './merkle.ts'
import { appendLeaf, emptyFrontier, rootOf } from './merkle.ts'
import type { Problem, ProblemCode } from './problem.ts'
import type { Stored } from './stored.ts'

/** A size and root of a stream that something outside the stream remembers. */
export interface Memory {
  readonly stream: string
  readonly size: number
  /** Lowercase hex. */
  readonly root: string
  /** Who remembers, for messages: `stream 01J…`, `the anchor`. */
  readonly by: string
  /** Nothing after this size was ever acknowledged: true of a successor's genesis, false of a saved checkpoint. */
  readonly final: boolean
}

/** A signature to check. Kept apart from the fold, so that many can be checked at once. */
export interface Claim {
  readonly publicKey: KeyObject
  readonly message: Uint8Array
  readonly signature: Uint8Array
  /** What to report when it does not hold. */
  readonly otherwise: Problem
  /** A key of another purpose: a signature that holds under it was made with the wrong key. */
  readonly other?: KeyObject
}

/** Where a line stands. */
export interface Spot {
  readonly segment: number
  readonly offset: number
}

/** How far a stream has been verified. One fold owns it and changes it in place. */
export interface Head {
  /** Undefined until the genesis names it, when the caller did not. */
  stream: string | undefined
  keys: StreamKeys | undefined
  /** Number of the next record. */
  next: number
  /** Leaf of the record before, lowercase hex; `unknown` after a line that could not be read. */
  prev: string
  tsMs: number
  closed: boolean
  frontier: Frontier
  checkpoints: number
  /** The last checkpoint in order: its size, and its root in lowercase hex. */
  last: { readonly size: number; readonly root: string }
  /** What `cp` of the next record must be; `unknown` after a damaged checkpoint. */
  named: { readonly n: number; readonly h: string } | 'unknown' | undefined
  /** Set by the first break: the number of the record that should have stood there. From then on no root can be told. */
  brokenAt: number | undefined
  /** The line being judged. */
  at: Spot
  /** Where the line after it begins. */
  end: Spot
  /** First record after the last checkpoint. */
  tail: Spot | undefined
  /** Leaves of the newest records, to tell a repeated one from a forked one. At most `recentMax`. */
  readonly recent: Map<number, string>
  readonly nameOf: (segment: number) => string
  readonly memories: readonly Memory[]
}

const recentMax = 4096

export function newHead(fixed: Pick<Head, 'stream' | 'nameOf' | 'memories'>): Head {
  return {
    ...fixed,
    keys: undefined,
    next: 0,
    prev: genesisPrev,
    tsMs: 0,
    closed: false,
    frontier: emptyFrontier,
    checkpoints: 0,
    last: { size: 0, root: '' },
    named: undefined,
    brokenAt: undefined,
    at: { segment: 0, offset: 0 },
    end: { segment: 1, offset: 0 },
    tail: undefined,
    recent: new Map(),
  }
}

/** A problem at the line being judged, or at another spot. */
export function problemAt(
  head: Head,
  code: ProblemCode,
  message: string,
  spot: Spot = head.at,
  seq = head.next,
): Problem {
  return {
    code,
    ...(head.stream !== undefined && { stream: head.stream }),
    segment: head.nameOf(spot.segment),
    seq,
    offset: spot.offset,
    lastGoodSeq: (head.brokenAt ?? head.next) - 1,
    lastGoodCheckpoint: head.last.size,
    message,
  }
}

/** Takes a leaf in as the next one. */
export function adoptLeaf(head: Head, leaf: Buffer): void {
  head.prev = leaf.toString('hex')
  head.recent.set(head.next, head.prev)
  if (head.recent.size > recentMax) head.recent.delete(head.next - recentMax)
  if (head.brokenAt === undefined) head.frontier = appendLeaf(head.frontier, leaf)
  head.tail ??= head.at
  head.named = undefined
  head.next++
}

/** Takes a record in as the next one, wherever it says it stands. */
export function adoptRecord(head: Head, { record, leaf }: Stored): void {
  head.next = record.seq
  head.tsMs = Math.max(head.tsMs, record.tsMs)
  head.closed = record.type === 'stream.close'
  if (record.cp !== undefined) head.checkpoints = record.cp.n + 1
  adoptLeaf(head, leaf)
}

/** Who remembers another history of exactly this size, if anybody does. */
export function contradiction(head: Head): Memory | undefined {
  if (head.brokenAt !== undefined) return undefined
  const here = memoriesOf(head).find(({ size }) => size === head.next)
  return here !== undefined && here.root !== rootOf(head.frontier).toString('hex') ? here : undefined
}

export function memoriesOf({ memories, stream }: Head): readonly Memory[] {
  return memories.filter((memory) => memory.stream === stream)
}
