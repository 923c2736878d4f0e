import { randomBytes } from 'node:crypto'
import { closeSync, constants, linkSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'

const { O_WRONLY, O_CREAT, O_EXCL, O_SYNC } = constants

/**
 * The text of a secret file, made with `fresh` when there is none. Of several processes that start at once one makes it
 * and all read the same. Refuses, in a sentence with the remedy, a file that others may read. Synchronous: a few bytes,
 * at start and once a month.
 */
export function secretFile(file: string, fresh: () => string): string {
  return readSecret(file) ?? (makeSecret(file, fresh()), readSecret(file)) ?? unreadable(file)
}

/** The text of a secret file, undefined when there is none. Refuses as `secretFile` does. */
export function readSecret(file: string): string | undefined {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode
  if (mode === undefined) return undefined
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new Error(`${file} can be read by others; run "chmod 600 ${file}", and replace it if someone may have.`)
  return readFileSync(file, 'utf8')
}

function makeSecret(file: string, text: string): void {
  const draft = writeDraft(file, text, 0o600)
  try {
    // A link never replaces the file another process has just made.
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Writes text, durable, to a new file beside the one it is for, and gives its name. */
export function writeDraft(file: string, text: string, mode: number): string {
  const draft = `${file}.${randomBytes(6).toString('hex')}.tmp`
  // O_SYNC rather than a call of fsync, which Node's --permission refuses.
  const descriptor = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_SYNC, mode)
  try {
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
  return draft
}

function unreadable(file: string): never {
  throw new Error(`${file} was there and is gone; start again once nothing else changes the directory.`)
}
