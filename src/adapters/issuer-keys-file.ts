import { readFile } from 'node:fs/promises'
import { keySet } from '../identity/keyset.ts'
import type { Clock } from '../ports/clock.ts'
import type { Algorithm, IssuerKeys, KeysTrouble } from '../ports/issuer-keys.ts'
import { fileMark } from './file-mark.ts'

export interface IssuerKeysFileOptions {
  /** A JSON Web Key Set (RFC 7517). */
  readonly file: string
  /** What the issuer signs with; keys for anything else are passed over. */
  readonly algorithms: readonly Algorithm[]
  readonly clock: Clock
  /** Told once for each change that cannot be used, and once when the file is gone. */
  readonly fault: (error: unknown) => void
}

/** How often the file is looked at, at most, milliseconds. No token can make it more often. */
const lookEveryMs = 1000

/**
 * An issuer's keys from a file, read again when it changes, so that a key can be rotated or withdrawn without a restart.
 * Rejects at the start when they cannot be used. Later, a change that makes no sense is told and the keys stay as they were; a
 * file that is gone or cannot be read leaves none, for taking it away is how somebody withdraws them all.
 */
export async function issuerKeysFile(options: IssuerKeysFileOptions): Promise<IssuerKeys> {
  const { file, algorithms, clock, fault } = options
  let mark = await markOf(file)
  let current = parsed(file, await textOf(file), algorithms)
  let lookedNs = clock.monoNs()
  let trouble: KeysTrouble | undefined

  async function refresh(): Promise<void> {
    const seen = await markOf(file).catch((error: Error) => error)
    const next = seen instanceof Error ? gone : seen
    if (next === mark) return
    // Before the file is read: what cannot be used is told once, not on every look.
    mark = next
    if (seen instanceof Error) {
      current = none
      throw seen
    }
    const text = await textOf(file).catch((error: Error) => {
      current = none
      throw error
    })
    current = parsed(file, text, algorithms)
    trouble = undefined
  }

  async function look(): Promise<void> {
    if (clock.monoNs() - lookedNs < BigInt(lookEveryMs) * 1_000_000n) return
    lookedNs = clock.monoNs()
    await refresh().catch((error: Error) => {
      trouble = { why: error.message, inForce: current !== none }
      fault(error)
    })
  }

  return {
    async keys(kid) {
      await look()
      return current.keys(kid)
    },
    trouble() {
      void look()
      return trouble
    },
  }
}

const gone = 'gone'
const none: IssuerKeys = { keys: () => [] }

function parsed(file: string, text: string, algorithms: readonly Algorithm[]): IssuerKeys {
  try {
    return keySet(JSON.parse(text), algorithms)
  } catch (error) {
    throw new Error(
      `The issuer keys in ${file} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
}

function markOf(file: string): Promise<string> {
  return fileMark(file).catch((error: Error) => unreadable(file, error))
}

function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: Error) => unreadable(file, error))
}

function unreadable(file: string, error: Error): never {
  throw new Error(`The issuer keys in ${file} cannot be read: ${error.message}.`, { cause: error })
}
