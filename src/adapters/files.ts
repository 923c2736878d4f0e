import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, rename, rm, stat, truncate } from 'node:fs/promises'
import path from 'node:path'

/**
 * What the evidence log asks of a file system. Errors are Node's, with their `code`.
 * Stands apart so that a test can fail the n-th operation or take the power away after it.
 */
export interface Files {
  /** Creates one directory unless it is there, and makes its name durable. */
  makeDirectory(directory: string): Promise<void>
  /** Names in a directory, sorted; none when it does not exist. */
  list(directory: string): Promise<readonly string[]>
  /** A file's bytes in pieces of at most 1 MiB, from an offset on. */
  read(file: string, from?: number): AsyncIterable<Buffer>
  size(file: string): Promise<number>
  /** Creates a file for appending, readable by its owner only. Refuses with EEXIST when there is one. Its name is not yet durable. */
  create(file: string): Promise<AppendFile>
  /** Creates a file with all its content at once, durable. False when there is one already. */
  createWhole(file: string, content: Uint8Array): Promise<boolean>
  /** Cuts a file to a size, durably. */
  truncate(file: string, sizeBytes: number): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(file: string): Promise<void>
  /** Makes the names in a directory durable. */
  syncDirectory(directory: string): Promise<void>
}

export interface AppendFile {
  /** Bytes written, which may be fewer than given: a full disk says so only on the next write. */
  write(bytes: Uint8Array): Promise<number>
  /** Resolves when everything written would survive a power cut. */
  datasync(): Promise<void>
  close(): Promise<void>
}

const pieceBytes = 1_048_576

/** The file system of this machine. */
export function nodeFiles(): Files {
  return {
    async makeDirectory(directory) {
      await mkdir(directory, { mode: 0o700 }).catch(existing)
      // Also when it was there: whoever made it may have lost power before its name was durable.
      await syncDirectory(path.dirname(directory))
    },
    list: (directory) => readdir(directory).then((names) => names.sort(), missing),
    read,
    size: async (file) => (await stat(file)).size,
    create,
    createWhole,
    async truncate(file, sizeBytes) {
      await truncate(file, sizeBytes)
      await using handle = await open(file, 'r+')
      await handle.datasync()
    },
    rename,
    remove: (file) => rm(file),
    syncDirectory,
  }
}

// `FileHandle.datasync` and `.sync`, because `fs.fsync` and `fs.fdatasync` are refused under Node's --permission.
async function create(file: string): Promise<AppendFile> {
  const handle = await open(file, 'ax', 0o600)
  return {
    write: async (bytes) => (await handle.write(bytes)).bytesWritten,
    datasync: () => handle.datasync(),
    close: () => handle.close(),
  }
}

async function createWhole(file: string, content: Uint8Array): Promise<boolean> {
  const draft = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await using handle = await open(draft, 'wx', 0o600)
    await handle.writeFile(content)
    await handle.sync()
    // A link, unlike a rename, never replaces what another process has just put there.
    const made = await link(draft, file).then(() => true, existing)
    if (made) await syncDirectory(path.dirname(file))
    return made
  } finally {
    await rm(draft, { force: true })
  }
}

async function* read(file: string, from = 0): AsyncGenerator<Buffer> {
  await using handle = await open(file, 'r')
  for (let position = from; ;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r')
  // Not `datasync`: a new name in a directory whose size did not change may count as metadata.
  await handle.sync()
}

function existing(error: NodeJS.ErrnoException): false {
  if (error.code === 'EEXIST') return false
  throw error
}

function missing(error: NodeJS.ErrnoException): readonly string[] {
  if (error.code === 'ENOENT') return []
  throw error
}
