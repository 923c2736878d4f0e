import type { Gap, Pinned } from '../evidence/genesis.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { Receipt } from '../ports/evidence-log.ts'
import { entryOf } from './evidence-opening-file.ts'
import type { Following, KeyedStream } from './evidence-opening-file.ts'
import { NotDurable, pendingMax } from './evidence-stream-file.ts'

export interface SuccessionOptions {
  readonly clock: Clock
  /** How long to wait, after a stream could not be opened, before trying another. */
  readonly reopenMs: number
  readonly open: (following: Following) => Promise<KeyedStream>
  readonly first: KeyedStream
}

/** What stays the same while streams come and go. */
export interface Succession {
  /** The stream that is written now. */
  stream(): string
  append(entry: EvidenceEntry): Promise<Receipt>
  /** Why appends are refused, while they are. Whoever asks has another stream tried, where that is due. */
  problem(): string | undefined
  /** Closes the last stream with `stream.close`. Takes nothing from then on. */
  close(): Promise<void>
}

/** An append that waits for the next stream. */
interface Waiting {
  readonly entry: EvidenceEntry
  readonly resolve: (receipt: Promise<Receipt>) => void
  readonly reject: (error: Error) => void
}

/**
 * One stream after another. A stream that failed is followed on the next append, with a `stream.gap`; one whose keys have
 * grown old is closed and followed. Appends wait for the new stream in the order they came.
 */
export function succession({ clock, reopenMs, open, first }: SuccessionOptions): Succession {
  let current = first
  let waiting: Waiting[] | undefined
  let changing: Promise<void> | undefined
  let refusal: { readonly error: NotDurable; readonly untilNs: bigint } | undefined
  let closed = false

  function append(entry: EvidenceEntry): Promise<Receipt> {
    if (closed) return Promise.reject(new NotDurable('CLOSED', 'the log is closed.'))
    if (waiting === undefined && isSound()) return current.add(entry)
    if (waiting === undefined && refusal !== undefined && !isDue()) return Promise.reject(refusal.error)
    if (waiting !== undefined && waiting.length >= pendingMax)
      return Promise.reject(new NotDurable('BUSY', `${pendingMax} records already wait for a new stream.`))
    return new Promise((resolve, reject) => {
      waiting ??= beginChange()
      waiting.push({ entry, resolve, reject })
    })
  }

  /** Whether another stream may be tried now. */
  function isDue(): boolean {
    return !closed && (refusal === undefined || clock.monoNs() >= refusal.untilNs)
  }

  function isSound(): boolean {
    return current.failure() === undefined && current.tsMs() <= current.keysUntilMs
  }

  function beginChange(): Waiting[] {
    changing = follow()
    return []
  }

  async function follow(): Promise<void> {
    try {
      current = await next()
      refusal = undefined
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? (error as Error).name
      const cause = new NotDurable(code, `no new stream can be opened (${code}). Free the disk or mend it.`)
      refusal = { error: cause, untilNs: clock.monoNs() + BigInt(reopenMs) * 1_000_000n }
    }
    const queue = waiting ?? []
    waiting = undefined
    changing = undefined
    for (const { entry, resolve, reject } of queue) {
      if (refusal === undefined) resolve(current.add(entry))
      else reject(refusal.error)
    }
  }

  async function next(): Promise<KeyedStream> {
    // An old key signs nothing more, not even `stream.close`: the successor's genesis says how far the stream went.
    if (current.failure() === undefined) await current.close().catch(() => undefined)
    const pinned: Pinned = { id: current.id, ...current.head() }
    const failure = current.failure()
    return open({ pinned, how: failure === undefined ? [] : [gapEntry(pinned, failure)] })
  }

  async function close(): Promise<void> {
    closed = true
    await changing
    if (!isSound()) await follow()
    if (!isSound()) return
    const last = current.add({ type: 'stream.close' })
    await Promise.all([last, current.close()])
  }

  return {
    stream: () => current.id,
    append,
    problem() {
      const why = (refusal?.error ?? current.failure())?.message
      if (why !== undefined && isDue()) waiting ??= beginChange()
      return why
    },
    close,
  }
}

function gapEntry({ id, size, root }: Pinned, { code }: NotDurable): EvidenceEntry {
  const gap: Gap = { stream: id, size, root, reason: code }
  return entryOf('stream.gap', gap)
}
