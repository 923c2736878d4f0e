import { leafHash } from './chain.ts'
import type { IndexEntry } from './bundle.ts'
import { appendLeaf, emptyFrontier, rootOf } from './merkle.ts'
import type { EvidenceRecord } from './record.ts'
import type { Selection } from './selection.ts'
import { isContext } from './selection.ts'
import { readRecordText } from './stored.ts'

/** A stream as a bundle shows it. */
export interface Excerpt {
  /** Lines: records in full, leaf hashes for the others, checkpoints. */
  readonly bytes: Buffer
  readonly size: number
  /** Lowercase hex. */
  readonly root: string
  readonly shown: readonly EvidenceRecord[]
  readonly index: readonly IndexEntry[]
  /** The last checkpoint's note, which whoever keeps it can use as an anchor. */
  readonly note?: string
}

/**
 * Cuts a stream down to what was selected: copies those lines as they are, puts leaf hashes for the rest, and ends with the
 * first checkpoint behind the last of them. Damaged lines are copied too: a bundle shows a log as it is.
 */
export async function excerptOf(
  stream: string,
  lines: AsyncIterable<{ readonly bytes: Buffer; readonly ended: boolean }>,
  selection: Selection,
): Promise<Excerpt> {
  const last = selection.lastOf(stream) ?? -1
  const out: Buffer[] = []
  const shown: EvidenceRecord[] = []
  const index: IndexEntry[] = []
  let frontier = emptyFrontier
  let note: string | undefined
  for await (const { bytes, ended } of lines) {
    if (!ended) break
    const tab = bytes.indexOf(0x09)
    const body = bytes.subarray(0, Math.max(tab, 0))
    if (bytes[0] === 0x43) {
      out.push(Buffer.from(bytes), lf)
      note = Buffer.from(bytes.toString('latin1', 2), 'base64url').toString()
      if (frontier.size > last) break
      continue
    }
    if (bytes[0] !== 0x7b || tab === -1) {
      out.push(Buffer.from(bytes), lf)
      continue
    }
    const leaf = leafHash(body)
    const seq = frontier.size
    const why = selection.why({ stream, seq })
    const record = why !== undefined || isContext(body) ? readOrNothing(body) : undefined
    if (record === undefined && why === undefined && seq > 0) out.push(Buffer.from(`H\t${leaf.toString('hex')}\n`))
    else out.push(Buffer.from(bytes), lf)
    if (record !== undefined) shown.push(record)
    if (why !== undefined) index.push({ leaf: leaf.toString('hex'), seq, stream, why })
    frontier = appendLeaf(frontier, leaf)
  }
  const root = rootOf(frontier).toString('hex')
  return { bytes: Buffer.concat(out), size: frontier.size, root, shown, index, ...(note !== undefined && { note }) }
}

const lf = Buffer.from('\n')

function readOrNothing(bytes: Buffer): EvidenceRecord | undefined {
  try {
    return readRecordText(bytes.toString())
  } catch {
    return undefined
  }
}
