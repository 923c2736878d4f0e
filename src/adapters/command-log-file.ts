import { mkdir, open, readFile, rename, writeFile, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from '../control/command.ts'
import { OrderRefused } from '../control/order.ts'
import { commandLine, readCommandLine, type TrustedKey } from '../control/signed.ts'
import type { Signer } from '../ports/signer.ts'
import { nodeFiles } from './files.ts'
import { takeLock, type Lock } from './process-lock.ts'

/** Signed orders, durable and in order. */
export interface CommandLog {
  /** Every command in the log when it was opened, in order. */
  readonly replayed: readonly Command[]
  /** Bytes of an unfinished last line that were set aside at open; 0 as a rule. */
  readonly tornBytes: number
  /**
   * Gives the command its sequence, signs it and resolves with it once it is durable. Rejects with `OrderRefused` what the
   * next start could not read, and writes nothing of it. After a failed write it refuses until it is opened again.
   */
  append(make: (seq: number) => Command, signer: Signer): Promise<Command>
  close(): Promise<void>
}

export interface CommandLogOptions {
  /** `<data>/control`. */
  readonly directory: string
  readonly trusted: readonly TrustedKey[]
}

/** Why the log cannot be used, with its file and line. Nothing may be allowed while nobody can say what is forbidden. */
class CommandLogUnreadable extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CommandLogUnreadable'
  }
}

const logName = 'commands.log'

/**
 * The command log of a data directory. One writer: it takes the directory's lock, or refuses and names the holder.
 * Refuses a log with a line that is changed, unsigned, out of sequence or missing; only an unfinished last line, which
 * nobody was ever told of, is set aside.
 */
export async function fileCommandLog({ directory, trusted }: CommandLogOptions): Promise<CommandLog> {
  const file = path.join(directory, logName)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const lock = await takeLock(nodeFiles(), path.join(directory, 'commands.lock'))
  try {
    const { replayed, tornBytes } = await replay(file, trusted)
    const handle = await open(file, 'a', 0o600)
    await nodeFiles().syncDirectory(directory)
    return writer({ file, handle, lock, trusted, replayed, tornBytes })
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Commands in a log file, without taking the lock: for whoever only wants to look. Refuses what `fileCommandLog` refuses. */
export async function readCommands(directory: string, trusted: readonly TrustedKey[]): Promise<readonly Command[]> {
  const file = path.join(directory, logName)
  return commandsIn(file, whole(await contentOf(file)), trusted)
}

interface Opened {
  readonly file: string
  readonly handle: FileHandle
  readonly lock: Lock
  readonly trusted: readonly TrustedKey[]
  readonly replayed: readonly Command[]
  readonly tornBytes: number
}

function writer({ file, handle, lock, trusted, replayed, tornBytes }: Opened): CommandLog {
  let seq = replayed.length
  let broken: string | undefined
  let last: Promise<unknown> = Promise.resolve()

  async function appendOne(make: (seq: number) => Command, signer: Signer): Promise<Command> {
    if (broken !== undefined) throw new Error(broken)
    const command = make(seq)
    const line = Buffer.from(await commandLine(command, signer))
    const again = readCommandLine(line.subarray(0, -1), trusted)
    if (again.kind === 'bad') throw new OrderRefused(`The order was not written: ${again.why}.`)
    try {
      await writeWhole(handle, line)
      await handle.datasync()
    } catch (error) {
      // A flush that failed once may report success the next time although the data is gone: this handle is done.
      broken = `${file} could not be written (${codeOf(error)}); make room or mend the disk, then restart.`
      throw new Error(broken, { cause: error })
    }
    seq++
    return command
  }

  return {
    replayed,
    tornBytes,
    append(make, signer) {
      const appended = last.then(() => appendOne(make, signer))
      last = appended.catch(() => {})
      return appended
    },
    async close() {
      await last
      await handle.close()
      await lock.release()
    },
  }
}

async function replay(file: string, trusted: readonly TrustedKey[]): Promise<Pick<Opened, 'replayed' | 'tornBytes'>> {
  const bytes = await contentOf(file)
  const kept = whole(bytes)
  const replayed = commandsIn(file, kept, trusted)
  const torn = bytes.subarray(kept.length)
  if (torn.length > 0) await setAside(file, kept, torn)
  return { replayed, tornBytes: torn.length }
}

function commandsIn(file: string, bytes: Buffer, trusted: readonly TrustedKey[]): readonly Command[] {
  const commands: Command[] = []
  for (const line of linesOf(bytes)) {
    const read = readCommandLine(line, trusted)
    const at = `${file}:${commands.length + 1}`
    if (read.kind === 'bad') throw new CommandLogUnreadable(`${at}: ${read.why}. ${remedy}`)
    if (read.command.seq !== commands.length)
      throw new CommandLogUnreadable(`${at}: the command says it is number ${read.command.seq}. ${remedy}`)
    commands.push(read.command)
  }
  return commands
}

const remedy = 'Someone changed the command log; restore it, or move it away once you know what was engaged.'

/** Copies the unfinished line before it is cut, and replaces the log whole: a crash between leaves one or the other. */
async function setAside(file: string, kept: Buffer, torn: Buffer): Promise<void> {
  await writeFile(`${file}.torn`, torn, { mode: 0o600 })
  const draft = `${file}.tmp`
  await writeFile(draft, kept, { mode: 0o600, flush: true })
  await rename(draft, file)
}

function whole(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1)
}

function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0x0a, from)
    yield bytes.subarray(from, end)
    from = end + 1
  }
}

/** A full disk takes fewer bytes than given and says so only on the next write. */
async function writeWhole(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let from = 0; from < bytes.length;) from += (await handle.write(bytes, from)).bytesWritten
}

async function contentOf(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error)
