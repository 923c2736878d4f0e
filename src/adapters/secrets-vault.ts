import type { Secret } from '../ports/secret.ts'
import { VaultError } from './vault-http.ts'
import { noField, vaultPath, type VaultField, type VaultPath, type VaultPathOptions } from './vault-path.ts'

/** A field of a secret: `secret/orders`, `token`. */
export interface VaultPlace {
  /** Mount and path below it, each segment fit for a URL. */
  readonly path: string
  readonly field: string
}

export interface VaultSecretsOptions extends VaultPathOptions {
  /** A float in [0, 1), for jitter: a round comes a tenth sooner or later, so that many gateways do not ask at once. */
  readonly random: () => number
}

export interface VaultSecrets {
  /** Rejects, in a sentence without any part of it, when the secret cannot be had now. */
  open(name: string, place: VaultPlace): Promise<Secret>
  /** Nobody needs this one any more. A path without any is read no more; its last value serves whoever still holds it for a while. */
  release(secret: Secret): void
  /** Reads everything again now. Never rejects. */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** Most paths that are watched. */
const pathsMax = 256

/** A path that is watched, and how many secrets of it are open or being opened. */
interface Watched extends VaultPath {
  claims: number
}

/**
 * Secrets in OpenBao or Vault (KV v2, and v1 without ages), read again every so often. When Vault says no, or that a secret is
 * gone, it is withdrawn at once. While Vault says nothing, the last value serves for `holdMs` and is then withdrawn. What is wrong with
 * one path's answer is that path's alone.
 */
export function vaultSecrets(options: VaultSecretsOptions): VaultSecrets {
  const { session, origin, refreshMs, random, fault } = options
  const watched = new Map<string, Watched>()
  const fields = new Map<Secret, { readonly one: Watched; readonly field: VaultField }>()
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let toldOfToken: string | undefined

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
    let silent = await keepToken()
    const all = [...watched.values()]
    for (const one of all) {
      // It is being opened, or was dropped since the round began.
      if (!one.inUse()) continue
      const failure = silent ?? (await outcomeOf(one.look()))
      if (failure?.kind === 'silent' && silent === undefined) {
        silent = failure
        askLast(one)
      }
      if (one.inUse()) one.settle(failure)
    }
  }

  /** Our token's fault is no path's, unless Vault cannot be asked at all. */
  async function keepToken(): Promise<VaultError | undefined> {
    const failure = await outcomeOf(session.keep())
    if (failure?.kind === 'silent') return failure
    if (failure && failure.message !== toldOfToken)
      fault(new Error(`Vault at ${origin}, asked to renew our token: ${failure.message}; it is asked again.`))
    toldOfToken = failure?.message
    return undefined
  }

  /** A path that is too slow keeps the others waiting once, not in every round. */
  function askLast(one: Watched): void {
    if (watched.delete(one.path)) watched.set(one.path, one)
  }

  function claim(path: string): Watched {
    const one = watched.get(path) ?? begin(path)
    one.claims += 1
    return one
  }

  function begin(path: string): Watched {
    if (watched.size >= pathsMax) throw new Error(`At most ${pathsMax} paths of Vault can be watched.`)
    const one = Object.assign(vaultPath(path, options), { claims: 0 })
    watched.set(path, one)
    return one
  }

  function unclaim(one: Watched): void {
    one.claims -= 1
    if (one.claims === 0) watched.delete(one.path)
  }

  async function lookFor(name: string, one: Watched): Promise<void> {
    const failure = await outcomeOf(one.look())
    if (failure) throw new Error(`${name} needs ${one.path} from Vault at ${origin}: ${failure.message}. ${advice}`)
  }

  function refresh(): Promise<void> {
    running ??= round().finally(() => (running = undefined))
    return running
  }

  return {
    async open(name, { path, field }) {
      const one = claim(path)
      try {
        // A field may have come since the path was read for another one.
        if (!one.has(field)) await lookFor(name, one)
        if (!one.has(field)) throw new Error(`${name}: ${noField(path, field)}`)
      } catch (error) {
        unclaim(one)
        throw error
      }
      const opened = one.use(name, field)
      fields.set(opened.secret, { one, field: opened })
      schedule()
      return opened.secret
    },
    release(secret) {
      const held = fields.get(secret)
      if (!held || !fields.delete(secret)) return
      held.field.drop()
      unclaim(held.one)
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

/** How asking ended, if not well. A bug of ours says nothing of Vault. */
function outcomeOf(asking: Promise<void>): Promise<VaultError | undefined> {
  return asking.then(
    () => undefined,
    (error: unknown) => (error instanceof VaultError ? error : new VaultError('odd', 'asking it failed')),
  )
}
