import { randomUUID } from 'node:crypto'
import { systemClock } from '../adapters/clock-system.ts'
import { fileSecret, isSecretText } from '../adapters/secrets-file.ts'
import type { SecretRef } from '../config/fields.ts'
import type { Config } from '../config/schema.ts'
import type { SecretsSection } from '../config/secrets-section.ts'
import type { Clock } from '../ports/clock.ts'
import type { JsonObject } from '../ports/json.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'
import { UpstreamError } from '../ports/tool.ts'
import type { Keep } from './kept.ts'
import { openVault, type OpenVault } from './open-vault.ts'
import type { Transport } from './transport.ts'

/** Every secret a gateway uses, opened. */
export interface Secrets {
  /** The secret a reference points to; the same one for the same reference, before and after a reload. Rejects, in a sentence without any part of it, when there is none to use now. */
  open(name: string, ref: SecretRef): Promise<Secret>
  /** What opens Vault, and all that were opened through `inUse`. */
  list(): readonly Secret[]
  /** Days after which a secret is too old. */
  readonly rotationDays: number
  /** From here on what happens to the certificates that Vault is trusted by is told there. */
  report(transport: Transport): void
  close(): Promise<void>
}

/** Secrets that outlast a version of the configuration. Each is open until it was released as often as it was opened. */
interface SharedSecrets extends Secrets {
  release(secret: Secret): void
}

/** The secrets of one version of the configuration. */
interface VersionSecrets extends Secrets {
  /** Nothing of this version is needed any more. */
  releaseAll(): void
}

interface SecretsOptions {
  readonly mode: 'development' | 'production'
  readonly section: SecretsSection
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly fault: (error: Error) => void
}

interface Around {
  readonly environment: SecretsOptions['environment']
  readonly report: (line: JsonObject) => void
}

/** The secrets of one version of a configuration, shared with the version before. Given back once another is in force instead. */
export async function secretsOf(config: Config, around: Around & { readonly keep: Keep }): Promise<Secrets> {
  const shared = await around.keep('secrets', [config.mode, config.secrets], () => secretsFor(config, around))
  const version = inUse(shared)
  // In words that no other version will say, so that it ends with this one.
  await around.keep('secrets in use', randomUUID(), () => ({ close: async () => version.releaseAll() }))
  return version
}

/** The secrets of a configuration, each opened when it is asked for. */
export function secretsFor({ mode, secrets: section }: Config, { environment, report }: Around): SharedSecrets {
  const fault = (error: Error) => report({ level: 'error', fault: error.message })
  return openSecrets({ mode, section, environment, clock: systemClock(), fault })
}

/**
 * Follows references to secrets. The values stay with the adapters: nothing here copies one. The same reference under the
 * same name is the same secret, whoever asks, so that a reload does not begin anew with it.
 */
function openSecrets(options: SecretsOptions): SharedSecrets {
  const opened = new Map<string, { readonly secret: Promise<Secret>; holders: number }>()
  const keys = new WeakMap<Secret, string>()
  const own: Secret[] = []
  let vault: Promise<OpenVault> | undefined
  let closed: Promise<void> | undefined

  async function follow(name: string, ref: SecretRef): Promise<Secret> {
    if (ref.from !== 'vault') return nearSecret(options, name, ref)
    vault ??= openVault(options.section.vault, { ...options, near: nearVault }).catch((error: unknown) => {
      vault = undefined
      own.length = 0
      throw error
    })
    return (await vault).open(name, ref)
  }

  function nearVault(name: string, ref: SecretRef): Secret {
    const secret = nearSecret(options, name, ref)
    own.push(secret)
    return secret
  }

  async function close(): Promise<void> {
    await (await vault?.catch(() => undefined))?.close()
  }

  return {
    open(name, ref) {
      const key = JSON.stringify([name, ref])
      const one = opened.get(key) ?? { secret: follow(name, ref), holders: 0 }
      opened.set(key, one)
      one.holders += 1
      one.secret.then(
        (secret) => keys.set(secret, key),
        // What cannot be opened now may be there at the next attempt.
        () => opened.get(key) === one && opened.delete(key),
      )
      return one.secret
    },
    release(secret) {
      const key = keys.get(secret)
      const one = key === undefined ? undefined : opened.get(key)
      if (key === undefined || !one || (one.holders -= 1) > 0) return
      opened.delete(key)
      keys.delete(secret)
      void vault?.then((open) => open.release(secret), () => undefined) // prettier-ignore
    },
    list: () => own,
    rotationDays: options.section.rotationDays,
    report: (transport) => void vault?.then(({ tls }) => tls?.report(transport), () => undefined), // prettier-ignore
    close: () => (closed ??= close()),
  }
}

/** Lists what one version of the configuration has opened, and no secret that only an earlier one named. */
export function inUse(secrets: SharedSecrets): VersionSecrets {
  const opened: Secret[] = []
  let released = false
  return {
    ...secrets,
    async open(name, ref) {
      const secret = await secrets.open(name, ref)
      opened.push(secret)
      if (released) secrets.release(secret)
      return secret
    },
    list: () => [...secrets.list(), ...opened],
    releaseAll() {
      if (released) return
      released = true
      for (const secret of opened) secrets.release(secret)
    },
  }
}

/** A secret of this machine. */
function nearSecret({ mode, environment, clock, fault }: SecretsOptions, name: string, ref: SecretRef): Secret {
  switch (ref.from) {
    case 'file':
      return fileSecret({ name, path: ref.path, ownerOnly: mode === 'production', clock, fault })
    case 'env':
      return environmentSecret(name, ref.name, environment[ref.name])
    case 'vault':
      throw new Error(`${name} opens Vault and cannot lie in it; use file:<path>.`)
  }
}

/** As the process was started with it; nobody knows how old it is. */
function environmentSecret(name: string, variable: string, value = ''): Secret {
  if (!isSecretText(value))
    throw new Error(`The environment variable ${variable} holds no secret for ${name}; put one there, or use file:.`)
  return { name, current: () => value, ageDays: () => undefined }
}

/** The gateway's own credential by service. A service without one gets an empty one; a withdrawn one ends the call unsent. */
export function credentials(tokens: ReadonlyMap<string, Secret>): (service: string) => string {
  return (service) => {
    try {
      return tokens.get(service)?.current() ?? ''
    } catch (error) {
      if (!(error instanceof SecretUnavailable)) throw error
      throw new UpstreamError('upstream_unavailable', 'credential', 'The service cannot be asked at the moment.')
    }
  }
}
