import { existsSync } from 'node:fs'
import { open, rm, stat, statfs } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { bad, fine, together, warn, type Finding } from './finding.ts'

/** Less than this free is too little to serve with, bytes; less than the other should be looked at. */
const freeMin = 128 * 1024 * 1024
const freeWanted = 1024 * 1024 * 1024

/** The data directory: who may enter it, how much fits into it, and whether what is written stays written. */
export async function dataFinding(directory: string): Promise<Finding> {
  const there = existsSync(directory)
  const place = there ? directory : nearest(resolve(directory))
  const findings = [
    ...(there ? [await doorFinding(directory)] : []),
    await spaceFinding(place),
    await writeFinding(place),
  ]
  return together(findings, there ? `${directory} is private, and takes durable writes` : `${directory} will be made`)
}

/** The deepest directory of a path that exists. */
function nearest(directory: string): string {
  return existsSync(directory) ? directory : nearest(dirname(directory))
}

async function doorFinding(directory: string): Promise<Finding> {
  const found = await stat(directory)
  if (!found.isDirectory()) return bad(`${directory} is no directory.`, 'Choose another with --data.')
  if (process.platform === 'win32') return fine('')
  if ((found.mode & 0o022) !== 0) return bad(`Others may write to ${directory}.`, `Run "chmod 700 ${directory}".`)
  if ((found.mode & 0o055) !== 0) return warn(`Others may look into ${directory}.`, `Run "chmod 700 ${directory}".`)
  return fine('')
}

async function spaceFinding(place: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(place)
  return roomFinding(bavail * bsize)
}

/** Judges free space, bytes. */
export function roomFinding(freeBytes: number): Finding {
  const text = `${Math.floor(freeBytes / 1024 / 1024)} MiB are free where the data is.`
  if (freeBytes < freeMin) return bad(text, 'Make room: without it calls are refused, because nothing can be recorded.')
  if (freeBytes < freeWanted) return warn(text, 'Make room, or move the data.')
  return fine(text)
}

/** Writes a few bytes and makes them durable, the way evidence does it. Leaves nothing behind. */
async function writeFinding(place: string): Promise<Finding> {
  const file = join(place, `.doctor-${randomBytes(6).toString('hex')}`)
  try {
    await using handle = await open(file, 'wx', 0o600)
    await handle.writeFile('durable?')
    await handle.datasync()
    await using folder = await open(place, 'r')
    await folder.sync()
    return fine('')
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return bad(
      `${place} takes no durable write (${code}).`,
      'Let its owner run the gateway, on a file system that can flush.',
    )
  } finally {
    // What could not be made may not be removable either: that is told already.
    await rm(file, { force: true }).catch(() => undefined)
  }
}
