import type { Clock } from '../ports/clock.ts'
import { isJsonObject, type JsonObject } from '../ports/json.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'
import { isSecretText } from './secrets-file.ts'
import { VaultError, type VaultHttp, type VaultRequest } from './vault-http.ts'

/** Who we are at Vault. */
export type VaultLogin =
  | { readonly kind: 'token'; readonly token: Secret }
  | { readonly kind: 'appRole'; readonly mount: string; readonly roleId: Secret; readonly secretId: Secret }

export interface VaultSessionOptions {
  readonly http: VaultHttp
  readonly login: VaultLogin
  /** Keep the token alive; an AppRole logs in again either way. */
  readonly renew: boolean
  readonly clock: Clock
}

export interface VaultSession {
  /** Asks with our token. Once it is refused, asks once more with a new one, if there is one. Rejects with a `VaultError`. */
  ask(request: Omit<VaultRequest, 'token'>): Promise<JsonObject>
  /** Renews the token when two thirds of its life are over. Call it from time to time. Rejects with a `VaultError` that says nothing of any path unless it is `silent`. */
  keep(): Promise<void>
  /** Gives back a token of our own making, and hangs up. */
  close(): Promise<void>
}

interface Held {
  readonly token: string
  /** Seconds of its life when it was given or renewed; 0 lasts for ever. */
  readonly lifeSec: number
  readonly sinceNs: bigint
  readonly renewable: boolean
}

/** A token at Vault, got, kept and given back. Neither it nor what got it ever stands in a message. */
export function vaultSession({ http, login, renew, clock }: VaultSessionOptions): VaultSession {
  let held: Held | undefined
  let entering: Promise<Held> | undefined

  async function token(): Promise<string> {
    if (held) return held.token
    entering ??= entered()
      .catch(notEntered)
      .finally(() => (entering = undefined))
    held = await entering
    return held.token
  }

  async function entered(): Promise<Held> {
    const sinceNs = clock.monoNs()
    if (login.kind === 'token') return lookedUp(valueOf(login.token), sinceNs)
    const body = { role_id: valueOf(login.roleId), secret_id: valueOf(login.secretId) }
    return heldFrom(await http({ method: 'POST', path: `auth/${login.mount}/login`, body }), sinceNs)
  }

  /** What is known of a token that somebody else made. A policy may keep it from looking at itself: then nothing. */
  async function lookedUp(text: string, sinceNs: bigint): Promise<Held> {
    const unknown = { token: text, lifeSec: 0, sinceNs, renewable: false }
    const reply = await http({ method: 'GET', path: 'auth/token/lookup-self', token: text }).catch(
      (error: VaultError) => {
        if (!isAnswer(error)) throw error
      },
    )
    const { ttl, renewable } = objectAt(reply, 'data')
    return typeof ttl === 'number' ? { ...unknown, lifeSec: ttl, renewable: renewable === true } : unknown
  }

  /** Another token than the refused one; none when the refusal was not the token's fault. */
  async function again(refused: string): Promise<string | undefined> {
    if (login.kind === 'appRole' && (await isAlive(refused))) return undefined
    if (held?.token === refused) held = undefined
    const next = await token()
    return next === refused ? undefined : next
  }

  function isAlive(text: string): Promise<boolean> {
    return http({ method: 'GET', path: 'auth/token/lookup-self', token: text }).then(
      () => true,
      (error: VaultError) => {
        if (!isAnswer(error)) throw error
        return false
      },
    )
  }

  async function renewed({ token }: Held): Promise<void> {
    const sinceNs = clock.monoNs()
    const reply = await http({ method: 'POST', path: 'auth/token/renew-self', token, body: {} })
    const next = heldFrom(reply, sinceNs)
    // Near its longest life a token is renewed for less and less: an AppRole gets a new one in time.
    const dying = login.kind === 'appRole' && held !== undefined && next.lifeSec < held.lifeSec / 2
    held = dying ? undefined : { ...next, token }
  }

  return {
    async ask(request) {
      const shown = await token()
      try {
        return await http({ ...request, token: shown })
      } catch (error) {
        if (!(error instanceof VaultError) || error.kind !== 'no') throw error
        const next = await again(shown)
        if (next === undefined) throw error
        return http({ ...request, token: next })
      }
    },
    async keep() {
      if (!held || held.lifeSec === 0 || !isAging(held, clock)) return
      if (!renew || !held.renewable) return void (held = undefined)
      await renewed(held).catch((error: VaultError) => {
        if (!isAnswer(error)) throw error
        held = undefined
      })
    },
    async close() {
      const own = login.kind === 'appRole' ? held : undefined
      held = undefined
      if (own)
        await http({ method: 'POST', path: 'auth/token/revoke-self', token: own.token, body: {} }).catch(() => {})
      await http.close()
    },
  }
}

function isAging({ sinceNs, lifeSec }: Held, clock: Clock): boolean {
  return clock.monoNs() - sinceNs >= (BigInt(lifeSec) * 2_000_000_000n) / 3n
}

/** Whether Vault said something about what it was asked. */
const isAnswer = ({ kind }: VaultError): boolean => kind === 'no' || kind === 'gone'

/** Without a token nothing can be asked for: what is odd about a login is true of every path. */
function notEntered(error: unknown): never {
  if (!(error instanceof VaultError)) throw error
  if (error.kind === 'odd') throw new VaultError('silent', `our login failed, ${error.message}`)
  throw error.kind === 'gone' ? new VaultError('no', 'there is no login where secrets.vault has it') : error
}

/** A withdrawn credential is a no of our own. */
function valueOf(secret: Secret): string {
  try {
    return secret.current()
  } catch (error) {
    if (error instanceof SecretUnavailable) throw new VaultError('no', `the secret of ${secret.name} is withdrawn`)
    throw error
  }
}

function heldFrom(reply: JsonObject, sinceNs: bigint): Held {
  const { client_token: token, lease_duration: lifeSec, renewable } = objectAt(reply, 'auth')
  if (typeof token !== 'string' || !isSecretText(token) || typeof lifeSec !== 'number')
    throw new VaultError('odd', 'its answer makes no sense')
  return { token, lifeSec, sinceNs, renewable: renewable === true }
}

/** A part of an answer; empty when there is none. */
export function objectAt(value: JsonObject | void, key: string): JsonObject {
  const part = value?.[key]
  return isJsonObject(part) ? part : {}
}
