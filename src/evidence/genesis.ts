import { z } from 'zod'
import { deploymentName } from './checkpoint.ts'
import { Envelope } from './delegation.ts'

/** Which lines of a stream carry a signature of their own. */
export type Signing = 'record+checkpoint' | 'checkpoint'

/** What a stream kept of the one before it, as its successor saw it. */
export interface Pinned {
  readonly id: string
  readonly size: number
  /** RFC 6962 root of the first `size` records, lowercase hex. */
  readonly root: string
}

/** `ext` of `stream.genesis`: how the stream is signed, by which keys, and what it follows. */
export interface Genesis {
  readonly deployment: string
  readonly signing: Signing
  /** One envelope per key: `record` (unless only checkpoints are signed) and `checkpoint`. */
  readonly delegations: readonly Envelope[]
  /** Absent only in a gateway's first stream. */
  readonly prevStream?: Pinned
}

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)

export const Pinned: z.ZodType<Pinned> = z.strictObject({
  id: z.string().min(1).max(64),
  size: z.int().min(0),
  root: hex64,
})

export const Genesis: z.ZodType<Genesis> = z.strictObject({
  deployment: z.string().regex(deploymentName),
  signing: z.enum(['record+checkpoint', 'checkpoint']),
  delegations: z.array(Envelope).min(1).max(4),
  prevStream: Pinned.exactOptional(),
})

/** `ext` of `key.introduce`: one record per key, right after genesis. The key itself stands in genesis. */
export interface KeyIntroduction {
  readonly kid: string
  readonly purpose: 'record' | 'checkpoint'
}

/** `ext` of `stream.resume`: a new process follows one that ended; what it cut from the old file's torn tail. */
export interface Resume {
  readonly cutBytes: number
  /** SHA-256 of the cut bytes, lowercase hex; of nothing when nothing was cut. */
  readonly cutSha256: string
}

/** `ext` of `stream.gap`: the same process follows a stream it could no longer write. Later records of that stream were never acknowledged. */
export interface Gap {
  readonly stream: string
  /** Records acknowledged in the old stream, and their root. */
  readonly size: number
  readonly root: string
  /** The system's error code, e.g. `EIO`, `ENOSPC`. */
  readonly reason: string
}
