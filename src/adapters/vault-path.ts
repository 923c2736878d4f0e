import type { Clock } from '../ports/clock.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'
import { secretCounter, type SecretCounter } from './secret-counts.ts'
import type { VaultError } from './vault-http.ts'
import { readKv, secretIn, type KvRead } from './vault-kv.ts'
import type { VaultSession } from './vault-session.ts'

export interface VaultPathOptions {
  readonly session: VaultSession
  /** Names Vault in messages. */
  readonly origin: string
  /** How often everything is read again, milliseconds. */
  readonly refreshMs: number
  /** How long the last values serve while Vault cannot be asked, milliseconds. */
  readonly holdMs: number
  readonly clock: Clock
  /** Told once for each change for the worse. */
  readonly fault: (error: Error) => void
}

/** One path at Vault, with the secrets that are fields of what lies there. */
export interface VaultPath {
  readonly path: string
  /** Whether there is a value to use now. */
  has(field: string): boolean
  /** Reads it. Rejects with a `VaultError`; what was read before is then still there. */
  look(): Promise<void>
  /** Takes the outcome of a look: withdraws what is to be withdrawn, and tells what is new. */
  settle(failure: VaultError | undefined): void
  /** A field as a secret, for as long as it is not dropped. */
  use(name: string, field: string): VaultField
  inUse(): boolean
}

export interface VaultField {
  readonly secret: Secret
  /** Nobody needs it any more. */
  drop(): void
}

interface User extends SecretCounter {
  readonly name: string
  readonly field: string
}

const dayMs = 86_400_000

/** What a slow round may take, milliseconds. */
const neglectMs = 60_000

const ms = (count: number): bigint => BigInt(Math.ceil(count)) * 1_000_000n

/** A path that has not been read yet. A no withdraws its secrets at once; while nothing is said, they serve for `holdMs`. */
export function vaultPath(path: string, options: VaultPathOptions): VaultPath {
  const { session, origin, clock, refreshMs, holdMs, fault } = options
  const users = new Set<User>()
  let read: KvRead | undefined
  let okNs = clock.monoNs()
  let silentNs: bigint | undefined
  let told: string | undefined
  let [begun, taken] = [0, 0]

  async function look(): Promise<void> {
    const turn = (begun += 1)
    const next = await readKv(session, path)
    // What was asked for later may have been answered sooner.
    if (turn < taken) return
    ;[taken, read, okNs, silentNs] = [turn, next, clock.monoNs(), undefined]
  }

  function settle(failure: VaultError | undefined): void {
    const answered = failure?.kind === 'no' || failure?.kind === 'gone'
    if (failure && !answered) silentNs ??= clock.monoNs()
    if (failure && (answered || isOver())) read = undefined
    for (const user of users) count(user, failure)
    tell(failure ? sentence(failure) : unfitSentence())
  }

  function count(user: User, failure: VaultError | undefined): void {
    const value = failure ? undefined : secretIn(read, user.field)
    if (value === undefined) user.failed()
    else user.found(value)
  }

  function tell(say: string | undefined): void {
    if (say !== undefined && say !== told) fault(new Error(say))
    told = say
  }

  /** Also when nobody has looked for far too long, whatever the reason. */
  function isOver(): boolean {
    const nowNs = clock.monoNs()
    const neglected = nowNs - okNs > ms(holdMs + 2 * refreshMs + neglectMs)
    return neglected || (silentNs !== undefined && nowNs - silentNs >= ms(holdMs))
  }

  const inForce = (): KvRead | undefined => (isOver() ? undefined : read)

  function sentence({ kind, message }: VaultError): string {
    const names = [...users].map(({ name }) => name).join(', ')
    const holds = (kind === 'silent' || kind === 'odd') && read !== undefined
    const then = holds ? `the last value serves for ${holdMs / 1000} s in all` : 'the secret is withdrawn'
    return `Vault at ${origin}, asked for ${path} (${names}): ${message}; ${then}.`
  }

  function unfitSentence(): string | undefined {
    const unfit = [...users].find(({ field }) => secretIn(read, field) === undefined)
    return unfit && noField(path, unfit.field)
  }

  function secretOf({ name, field, counts }: User): Secret {
    return {
      name,
      current() {
        const value = secretIn(inForce(), field)
        if (value === undefined) throw new SecretUnavailable(name)
        return value
      },
      ageDays() {
        const madeMs = inForce()?.madeMs
        return madeMs === undefined ? undefined : Math.max(0, Math.floor((clock.nowMs() - madeMs) / dayMs))
      },
      counts,
    }
  }

  return {
    path,
    has: (field) => secretIn(inForce(), field) !== undefined,
    look,
    settle,
    use(name, field) {
      const user = { name, field, ...secretCounter() }
      users.add(user)
      count(user, undefined)
      return { secret: secretOf(user), drop: () => void users.delete(user) }
    },
    inUse: () => users.size > 0,
  }
}

/** Why a field of what lies at a path is no secret. */
export function noField(path: string, field: string): string {
  return `${path} at Vault has no field '${field}' that holds one line of printable ASCII; the secret is withdrawn.`
}
