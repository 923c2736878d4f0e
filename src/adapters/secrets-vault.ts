import type { Clock } from '../ports/clock.ts'
import type { Json, JsonObject } from '../ports/json.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'
import { isSecretText } from './secrets-file.ts'
import { VaultError } from './vault-http.ts'
import { objectAt, type VaultSession } from './vault-session.ts'

/** A field of a secret: `secret/orders`, `token`. */
export interface VaultPlace {
  /** Mount and path below it, each segment fit for a URL. */
  readonly path: string
  readonly field: string
}

export interface VaultSecretsOptions {
  readonly session: VaultSession
  /** Names Vault in messages. */
  readonly origin: string
  /** How often everything is read again, milliseconds; a tenth more or less, so that many gateways do not ask at once. */
  readonly refreshMs: number
  /** How long the last values serve while Vault cannot be asked, milliseconds. */
  readonly holdMs: number
  readonly clock: Clock
  /** A float in [0, 1), for jitter. */
  readonly random: () => number
  /** Told once for each change for the worse. */
  readonly fault: (error: Error) => void
}

export interface VaultSecrets {
  /** Rejects, in a sentence without any part of it, when the secret cannot be had now. */
  open(name: string, place: VaultPlace): Promise<Secret>
  /** Reads everything again now. Never rejects. */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** Most paths that are watched. */
const pathsMax = 256

const dayMs = 86_400_000

/** What a slow round may take, milliseconds. */
const neglectMs = 60_000

const ms = (count: number): bigint => BigInt(Math.ceil(count)) * 1_000_000n

/** One path at Vault, with all of its fields. */
interface Watched {
  readonly path: string
  readonly users: { readonly name: string; readonly field: string }[]
  /** Absent once Vault said no, or that there is nothing. */
  read?: Read
  /** When Vault last spoke of it. */
  okNs: bigint
  /** Since when it has been silent. */
  silentNs?: bigint
  /** What was told last, so that it is told once. */
  told?: string
}

interface Read {
  readonly fields: JsonObject
  /** When this version was made, milliseconds since the epoch; only KV v2 says. */
  readonly madeMs?: number
}

/**
 * Secrets in OpenBao or Vault (KV v2, and v1 without ages), read again every so often. When Vault says no, or that a secret is
 * gone, it is withdrawn at once. While Vault says nothing, the last value serves for `holdMs` and is then withdrawn.
 */
export function vaultSecrets(options: VaultSecretsOptions): VaultSecrets {
  const { session, origin, clock, refreshMs, holdMs, random, fault } = options
  const watched = new Map<string, Watched>()
  const opening = new Map<string, Promise<Watched>>()
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  function schedule(): void {
    if (closed || timer) return
    timer = setTimeout(
      () => {
        timer = undefined
        void refresh().then(schedule)
      },
      refreshMs * (0.9 + 0.2 * random()),
    ).unref()
  }

  /** One round at a time. A Vault that is silent is asked once a round, not once for each path. */
  async function round(): Promise<void> {
    let silent = await session.keep().then(() => undefined, asVaultError)
    for (const one of watched.values()) {
      const failure = silent ?? (await look(one).then(() => undefined, asVaultError))
      if (failure?.kind === 'silent') silent = failure
      settle(one, failure)
    }
  }

  async function look(one: Watched): Promise<void> {
    one.read = await readPath(session, one.path)
    one.okNs = clock.monoNs()
    delete one.silentNs
  }

  function settle(one: Watched, failure: VaultError | undefined): void {
    if (failure?.kind === 'silent') one.silentNs ??= clock.monoNs()
    if (failure && (failure.kind !== 'silent' || isOver(one))) delete one.read
    const unfit = failure || !one.read ? undefined : one.users.find(({ field }) => !usable(one.read, field))
    const say = failure ? sentence(one, failure) : unfit && unfitSentence(one, unfit.field)
    if (say !== undefined && say !== one.told) fault(new Error(say))
    if (say === undefined) delete one.told
    else one.told = say
  }

  /** Also when nobody has looked for far too long, whatever the reason. */
  function isOver({ okNs, silentNs }: Watched): boolean {
    const nowNs = clock.monoNs()
    const neglected = nowNs - okNs > ms(holdMs + 2 * refreshMs + neglectMs)
    return neglected || (silentNs !== undefined && nowNs - silentNs >= ms(holdMs))
  }

  function sentence({ path, read, users }: Watched, { kind, message }: VaultError): string {
    const names = users.map(({ name }) => name).join(', ')
    const then =
      kind === 'silent' && read ? `the last value serves for ${holdMs / 1000} s in all` : 'the secret is withdrawn'
    return `Vault at ${origin}, asked for ${path} (${names}): ${message}; ${then}.`
  }

  function secretOf(name: string, one: Watched, field: string): Secret {
    const inForce = (): Read | undefined => (isOver(one) ? undefined : one.read)
    return {
      name,
      current() {
        const value = usable(inForce(), field)
        if (value === undefined) throw new SecretUnavailable(name)
        return value
      },
      ageDays() {
        const madeMs = inForce()?.madeMs
        return madeMs === undefined ? undefined : Math.max(0, Math.floor((clock.nowMs() - madeMs) / dayMs))
      },
    }
  }

  /** One of each path, also for two who ask at once. */
  async function watch(name: string, path: string): Promise<Watched> {
    const known = watched.get(path) ?? opening.get(path)
    if (known) return known
    const begun = begin(name, path).finally(() => opening.delete(path))
    opening.set(path, begun)
    return begun
  }

  async function begin(name: string, path: string): Promise<Watched> {
    if (watched.size + opening.size >= pathsMax) throw new Error(`At most ${pathsMax} paths of Vault can be watched.`)
    const one: Watched = { path, users: [], okNs: clock.monoNs() }
    await look(one).catch((error: unknown) => {
      throw new Error(`${name} needs ${path} from Vault at ${origin}: ${asVaultError(error).message}. ${advice}`)
    })
    watched.set(path, one)
    return one
  }

  function refresh(): Promise<void> {
    running ??= round().finally(() => (running = undefined))
    return running
  }

  return {
    async open(name, { path, field }) {
      const one = await watch(name, path)
      if (usable(one.read, field) === undefined) throw new Error(`${name}: ${unfitSentence(one, field)}`)
      one.users.push({ name, field })
      schedule()
      return secretOf(name, one, field)
    },
    refresh,
    async close() {
      closed = true
      clearTimeout(timer)
      await running
      await session.close()
    },
  }
}

const advice = 'Look at secrets.vault, and whether its token or role may read that path.'

function unfitSentence({ path }: Watched, field: string): string {
  return `${path} at Vault has no field '${field}' that holds one line of printable ASCII; the secret is withdrawn.`
}

/** The value, when it is one. */
function usable(read: Read | undefined, field: string): string | undefined {
  const value: Json | undefined = read && Object.hasOwn(read.fields, field) ? read.fields[field] : undefined
  return typeof value === 'string' && isSecretText(value) ? value : undefined
}

/** What is at a path now, whatever version of KV its mount has: Vault says, as it tells its own command line. */
async function readPath(session: VaultSession, path: string): Promise<Read> {
  const mount = objectAt(await session.ask({ method: 'GET', path: `sys/internal/ui/mounts/${path}` }), 'data')
  const prefix = typeof mount['path'] === 'string' ? mount['path'] : ''
  if (!prefix.endsWith('/') || !path.startsWith(prefix))
    throw new VaultError('silent', 'it names no mount for that path')
  if (objectAt(mount, 'options')['version'] !== '2') {
    return { fields: objectAt(await session.ask({ method: 'GET', path }), 'data') }
  }
  const rest = path.slice(prefix.length)
  const found = objectAt(await session.ask({ method: 'GET', path: `${prefix}data/${rest}` }), 'data')
  const made = objectAt(found, 'metadata')['created_time']
  const madeMs = typeof made === 'string' ? Date.parse(made) : NaN
  return { fields: objectAt(found, 'data'), ...(Number.isFinite(madeMs) && { madeMs }) }
}

function asVaultError(error: unknown): VaultError {
  return error instanceof VaultError ? error : new VaultError('silent', 'asking it failed')
}
