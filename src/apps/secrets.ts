import { fileSecret, isSecretText } from '../adapters/secrets-file.ts'
import { systemClock } from '../adapters/clock-system.ts'
import type { SecretRef } from '../config/fields.ts'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../ports/clock.ts'
import type { JsonObject } from '../ports/json.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'
import { UpstreamError } from '../ports/tool.ts'

/** Every secret a gateway uses, opened. */
export interface Secrets {
  /** The secret a reference points to; the same one for the same reference, before and after a reload. Rejects, in a sentence without any part of it, when there is none to use now. */
  open(name: string, ref: SecretRef): Promise<Secret>
  /** All that were opened, for metrics and `doctor`. */
  list(): readonly Secret[]
  close(): Promise<void>
}

interface SecretsOptions {
  readonly mode: 'development' | 'production'
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly fault: (error: Error) => void
}

/** The secrets of a configuration, each opened when it is asked for. */
export function secretsFor(
  { mode }: Config,
  {
    environment,
    report,
  }: { readonly environment: SecretsOptions['environment']; readonly report: (line: JsonObject) => void },
): Secrets {
  const fault = (error: Error) => report({ level: 'error', fault: error.message })
  return openSecrets({ mode, environment, clock: systemClock(), fault })
}

/** Follows references to secrets. The values stay with the adapters: nothing here copies one. */
function openSecrets(options: SecretsOptions): Secrets {
  const opened = new Map<string, Secret>()
  return {
    async open(name, ref) {
      const key = JSON.stringify([name, ref])
      const secret = opened.get(key) ?? (await resolved(options, name, ref))
      opened.set(key, secret)
      return secret
    },
    list: () => [...opened.values()],
    close: async () => {},
  }
}

async function resolved(options: SecretsOptions, name: string, ref: SecretRef): Promise<Secret> {
  const { mode, environment, clock, fault } = options
  switch (ref.from) {
    case 'file':
      return fileSecret({ name, path: ref.path, ownerOnly: mode === 'production', clock, fault })
    case 'env':
      return environmentSecret(name, ref.name, environment[ref.name])
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
