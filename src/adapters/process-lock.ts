import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { Files } from './files.ts'

/** Held until released. */
export interface Lock {
  release(): Promise<void>
}

/** One running process, told apart from earlier ones with its number. */
export interface Holder {
  readonly pid: number
  /** Tells this process from an earlier one with the same number. */
  readonly incarnation: string
}

/** Distinguishes this process from its predecessors where the system does not say when a process began. */
const ownToken = randomBytes(8).toString('hex')

/**
 * Takes the lock file of one directory for this process, or refuses with a sentence that names the holder. A lock whose
 * process is dead is taken over.
 */
export async function takeLock(files: Files, file: string): Promise<Lock> {
  const own = holderText(thisProcess())
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await files.createWhole(file, Buffer.from(own))) return { release: () => files.remove(file) }
    const found = await contentOf(files, file)
    if (found === undefined) continue
    const holder = parseHolder(found)
    if (holder === undefined)
      throw new Error(`${file} is no lock of this program; remove it if nothing else uses the directory.`)
    if (isAlive(holder))
      throw new Error(`${file} is held by process ${holder.pid}; stop it first, or choose another data directory.`)
    await setAside(files, file, found)
  }
  throw new Error(`${file} is contended by several starting processes; start one of them again.`)
}

/** This process, as others may later ask `isAlive` about it. */
export function thisProcess(): Holder {
  return { pid: process.pid, incarnation: incarnationOf(process.pid) ?? ownToken }
}

/** Moves a dead holder's lock away. When another process was quicker, what we moved is its live lock: it goes back. */
async function setAside(files: Files, file: string, expected: string): Promise<void> {
  const aside = `${file}.${randomBytes(6).toString('hex')}.stale`
  const moved = await files.rename(file, aside).then(
    () => true,
    () => false,
  )
  if (!moved) return
  const found = await contentOf(files, aside)
  if (found !== expected && found !== undefined) await files.createWhole(file, Buffer.from(found))
  await files.remove(aside)
}

async function contentOf(files: Files, file: string): Promise<string | undefined> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of files.read(file)) pieces.push(piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return Buffer.concat(pieces).toString()
}

function holderText({ pid, incarnation }: Holder): string {
  return `${pid} ${incarnation}\n`
}

function parseHolder(text: string): Holder | undefined {
  const [, pid, incarnation] = /^([1-9][0-9]{0,9}) (\S{1,128})\n$/.exec(text) ?? []
  return pid === undefined || incarnation === undefined ? undefined : { pid: Number(pid), incarnation }
}

/** Whether that very process still runs. Where the system does not tell processes of one number apart, a foreign one counts as alive. */
export function isAlive({ pid, incarnation }: Holder): boolean {
  const current = incarnationOf(pid)
  if (current !== undefined) return current === incarnation
  if (pid === process.pid) return incarnation === ownToken
  if (existsSync('/proc/self/stat')) return false
  return answersSignal(pid)
}

/** The machine's boot and the process's start within it, where /proc says so: a container's process 1 is a new one each time. */
function incarnationOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name may hold spaces and parentheses; the fields after its last parenthesis are numbers.
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return started === undefined ? undefined : `${boot}/${started}`
  } catch {
    return undefined
  }
}

function answersSignal(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
