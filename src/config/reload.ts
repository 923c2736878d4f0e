import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { rounds } from '../adapters/rounds.ts'

export interface WatchOptions {
  /** Files and directories to look at, asked for before every look. */
  readonly places: () => readonly string[]
  readonly everyMs: number
  /** Called when what stands there is new and has stood for two looks. Awaited before the next look. */
  readonly changed: () => Promise<void>
  /** True while what was told last is not taken over. Then it is told again, after more and more looks. */
  readonly owed: () => boolean
  readonly fault: (error: unknown) => void
}

export interface Watching {
  /** What was told is no longer what counts, because somebody else has read the files: what stands there is news again. */
  forget(): void
  close(): Promise<void>
}

/** Looks until the same files are told again, at first and at most: two seconds and one minute, at the pace of a gateway. */
const againMin = 5
const againMax = 150

/**
 * Looks at files until it is closed. Bytes count, not times: a file that is touched is no news, and one that is being
 * written is none until it holds still. What stands there at the first look is news too, once; while it is owed, again.
 */
export function watchFiles({ places, everyMs, changed, owed, fault }: WatchOptions): Watching {
  let before: string | undefined
  let told: string | undefined
  let again = growing(againMin, againMax)
  let closed = false

  async function look(): Promise<void> {
    const seen = await contentDigest(places())
    const still = seen === before
    const news = seen !== told
    before = seen
    if (news || !owed()) again = growing(againMin, againMax)
    if (!still || closed || !(news || (owed() && again.isDue()))) return
    told = seen
    await changed()
  }

  const looking = rounds({ everyMs, run: look, fault, atOnce: true })
  return {
    forget() {
      told = undefined
    },
    async close() {
      closed = true
      await looking.close()
    },
  }
}

/** Due at the `first` time it is asked, then after twice as many, and so on up to `max`. */
function growing(first: number, max: number): { isDue(): boolean } {
  let [left, next] = [first, first]
  return {
    isDue() {
      if (--left > 0) return false
      next = Math.min(next * 2, max)
      left = next
      return true
    },
  }
}

/** SHA-256 over the names and bytes of these files, and of the YAML files in these directories; what cannot be read counts as such. */
async function contentDigest(places: readonly string[]): Promise<string> {
  const digest = createHash('sha256')
  for (const place of places)
    for (const file of await filesAt(place)) {
      const bytes = await readFile(file).catch(() => undefined)
      digest.update(`${JSON.stringify(file)} ${bytes?.byteLength ?? 'unreadable'}\n`).update(bytes ?? '')
    }
  return digest.digest('hex')
}

async function filesAt(place: string): Promise<readonly string[]> {
  try {
    if (!(await stat(place)).isDirectory()) return [place]
    const names = (await readdir(place)).filter((name) => /\.ya?ml$/.test(name))
    return names.sort().map((name) => path.join(place, name))
  } catch {
    return [place]
  }
}
