import { closeSync, constants, fstatSync, openSync, readSync, statSync, type BigIntStats } from 'node:fs'
import type { Clock } from '../ports/clock.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'
import { markOf } from './file-mark.ts'
import { secretCounter } from './secret-counts.ts'

export interface FileSecretOptions {
  /** Key in configuration. */
  readonly name: string
  readonly path: string
  /** Refuse a file that its group or others may read, as production does. */
  readonly ownerOnly: boolean
  readonly clock: Clock
  /** Told once for each change that takes the secret away, or may. */
  readonly fault: (error: Error) => void
}

/** How often the file is looked at, at most, milliseconds. */
const lookEveryMs = 1_000

/** How long the last value serves while the file is empty: somebody is writing it, and not by renaming. */
export const emptyGraceMs = 10_000

/** Longest secret, bytes. */
export const secretBytesMax = 64 * 1024

const dayMs = 86_400_000

/**
 * A secret in a file, read again within a second of a change, so that it is rotated without a restart. Throws at the start
 * when there is none to use. Later, a file that is gone, unreadable, open to others or no secret withdraws it; one that is
 * empty serves its last value for ten seconds and then withdraws it.
 */
export function fileSecret(options: FileSecretOptions): Secret {
  const { name, path, clock, fault } = options
  const first = look(options)
  if (first.kind !== 'held') throw first.error
  let seen: Seen = first
  let held: Held | undefined = first
  let emptySinceNs: bigint | undefined
  let lookedNs = clock.monoNs()
  const { found, failed, counts } = secretCounter()
  found(first.value)

  function refresh(nowNs: bigint): void {
    lookedNs = nowNs
    const next = look(options, seen)
    if (next.kind === 'held') found(next.value)
    else failed()
    if (next !== seen) change(next, nowNs)
    if (emptySinceNs === undefined || held === undefined || nowNs - emptySinceNs <= ms(emptyGraceMs)) return
    held = undefined
    fault(new Error(`${path} is still empty after ${emptyGraceMs / 1000} s: the secret of ${name} is withdrawn.`))
  }

  function change(next: Seen, nowNs: bigint): void {
    seen = next
    if (next.kind === 'held') return void ([held, emptySinceNs] = [next, undefined])
    fault(next.error)
    if (next.kind === 'empty') emptySinceNs ??= nowNs
    else [held, emptySinceNs] = [undefined, undefined]
  }

  function fresh(): Held | undefined {
    const nowNs = clock.monoNs()
    if (nowNs - lookedNs >= ms(lookEveryMs)) refresh(nowNs)
    return held
  }

  return {
    name,
    current() {
      const value = fresh()?.value
      if (value === undefined) throw new SecretUnavailable(name)
      return value
    },
    ageDays() {
      const madeMs = fresh()?.madeMs
      return madeMs === undefined ? undefined : Math.max(0, Math.floor((clock.nowMs() - madeMs) / dayMs))
    },
    counts() {
      fresh()
      return counts()
    },
  }
}

interface Held {
  readonly kind: 'held'
  readonly mark: string
  readonly value: string
  /** When the file was last written, milliseconds since the epoch. */
  readonly madeMs: number
}

type Seen = Held | { readonly kind: 'empty' | 'unfit'; readonly mark: string; readonly error: Error }

/** What is there now; `before` itself when nothing changed. Never throws. */
function look(options: FileSecretOptions, before?: Seen): Seen {
  const mark = markAt(options.path)
  if (mark === before?.mark) return before
  try {
    return opened(options)
  } catch (error) {
    return { kind: 'unfit', mark, error: reasonOf(options, error) }
  }
}

function markAt(path: string): string {
  try {
    return markOf(statSync(path, { bigint: true }))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'gone'
  }
}

/** Judges the very file it reads. O_NONBLOCK, because opening a pipe would wait for whoever writes to it. */
function opened(options: FileSecretOptions): Seen {
  const descriptor = openSync(options.path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = fstatSync(descriptor, { bigint: true })
    refuseUnfit(options, found)
    const text = textOf(descriptor)
    const mark = markOf(found)
    if (text === '') return { kind: 'empty', mark, error: emptyError(options) }
    if (!isSecretText(text)) throw new Unfit('does not hold one line of printable ASCII')
    return { kind: 'held', mark, value: text, madeMs: Number(found.mtimeMs) }
  } finally {
    closeSync(descriptor)
  }
}

/** A reason in our own words, which hold nothing of the file's content. */
class Unfit extends Error {}

function refuseUnfit({ ownerOnly, path }: FileSecretOptions, found: BigIntStats): void {
  if (!found.isFile()) throw new Unfit('is no regular file')
  if (found.size > secretBytesMax) throw new Unfit(`is larger than ${secretBytesMax} bytes`)
  if (ownerOnly && process.platform !== 'win32' && (found.mode & 0o077n) !== 0n)
    throw new Unfit(`can be read by others; run "chmod 400 ${path}", and replace the secret if someone may have`)
}

function textOf(descriptor: number): string {
  const bytes = Buffer.alloc(secretBytesMax + 1)
  let size = 0
  for (let read = 1; read > 0 && size < bytes.length; size += read)
    read = readSync(descriptor, bytes, size, bytes.length - size, null)
  if (size > secretBytesMax) throw new Unfit(`is larger than ${secretBytesMax} bytes`)
  return bytes.toString('latin1', 0, size).replace(/\r?\n$/, '')
}

/** What may travel in a header: one line of printable ASCII, without blanks around it. */
export function isSecretText(text: string): boolean {
  return /^[!-~](?:[ -~]*[!-~])?$/.test(text)
}

function emptyError({ name, path }: FileSecretOptions): Error {
  return new Error(`${path} holds no secret for ${name}; put one there, by renaming a finished file.`)
}

function reasonOf({ name, path }: FileSecretOptions, error: unknown): Error {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException
  const why = error instanceof Unfit ? error.message : code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`
  return new Error(`${path}, the secret of ${name}, ${why}.`)
}

const ms = (count: number): bigint => BigInt(count) * 1_000_000n
