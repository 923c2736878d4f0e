import type { BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'

/** What `markOf` looks at. */
type Marked = Pick<BigIntStats, 'ino' | 'ctimeNs' | 'mtimeNs' | 'size'>

/**
 * Changes whenever the file does: replaced (inode), written (times), cut (size), opened to others (ctime). The time of the
 * last write alone would not do: whoever copies a file with its times, or sets them back, changes it unseen.
 */
export const markOf = ({ ino, ctimeNs, mtimeNs, size }: Marked): string => `${ino} ${ctimeNs} ${mtimeNs} ${size}`

/** The mark of what a path leads to; links are followed. Rejects as `stat` does. */
export async function fileMark(path: string): Promise<string> {
  return markOf(await stat(path, { bigint: true }))
}
