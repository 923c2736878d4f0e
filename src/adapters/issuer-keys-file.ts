import { readFile, stat } from 'node:fs/promises'
import { keySet } from '../identity/keyset.ts'
import type { Clock } from '../ports/clock.ts'
import type { Algorithm, IssuerKeys } from '../ports/issuer-keys.ts'

export interface IssuerKeysFileOptions {
  /** A JSON Web Key Set (RFC 7517). */
  readonly file: string
  /** What the issuer signs with; keys for anything else are passed over. */
  readonly algorithms: readonly Algorithm[]
  readonly clock: Clock
  /** Told once for each change of the file that cannot be used. */
  readonly fault: (error: unknown) => void
}

/** How often the file is looked at, at most, milliseconds. No token can make it more often. */
const lookEveryMs = 1000

/**
 * An issuer's keys from a file, read again when it changes, so that a key can be rotated or withdrawn without a restart.
 * Rejects at the start when they cannot be used; later, a change that cannot be used is told and the keys stay as they were.
 */
export async function issuerKeysFile(options: IssuerKeysFileOptions): Promise<IssuerKeys> {
  const { file, algorithms, clock, fault } = options
  let mark = await markOf(file)
  let current = await load(file, algorithms)
  let lookedNs = clock.monoNs()

  async function refresh(): Promise<void> {
    const seen = await markOf(file)
    if (seen === mark) return
    // Before the file is read: what cannot be used is told once, not on every look.
    mark = seen
    current = await load(file, algorithms)
  }

  return {
    async keys(kid) {
      if (clock.monoNs() - lookedNs >= BigInt(lookEveryMs) * 1_000_000n) {
        lookedNs = clock.monoNs()
        await refresh().catch(fault)
      }
      return current.keys(kid)
    },
  }
}

async function load(file: string, algorithms: readonly Algorithm[]): Promise<IssuerKeys> {
  try {
    return keySet(JSON.parse(await readFile(file, 'utf8')), algorithms)
  } catch (error) {
    throw new Error(
      `The issuer keys in ${file} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
}

async function markOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch((error: Error) => {
    throw new Error(`The issuer keys in ${file} cannot be read: ${error.message}.`, { cause: error })
  })
  return `${found.ino} ${found.mtimeNs} ${found.size}`
}
