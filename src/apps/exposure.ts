import type { Secret } from '../ports/secret.ts'

/** What a process was started with: others on the machine may be able to read it. */
export interface StartedWith {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Node's own arguments and the program's. */
  readonly argv?: readonly string[]
}

/** Shorter values stand in many places by chance. */
const valueLengthMin = 8

/** Variables in which parts of this program would look for a secret of their own accord. */
const secretVariables = [
  'VAULT_TOKEN',
  'BAO_TOKEN',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
] as const

/** Secrets that stand in the environment or on the command line, one sentence each; never a value. */
export function exposedSecrets(secrets: readonly Secret[], { environment, argv = [] }: StartedWith): readonly string[] {
  const set = secretVariables.filter((name) => (environment[name] ?? '') !== '')
  const named = set.map((name) => `The environment variable ${name} holds a secret; unset it and use a file: or vault: reference.`) // prettier-ignore
  const found = secrets.flatMap((secret) => {
    const value = valueOf(secret)
    if (value.length < valueLengthMin) return []
    const variables = Object.keys(environment).filter((name) => environment[name]?.includes(value) === true)
    const places = [
      ...variables.map((name) => `in the environment variable ${name}`),
      ...(argv.some((word) => word.includes(value)) ? ['on the command line'] : []),
    ]
    return places.map((place) => `The secret of ${secret.name} also stands ${place}, where others can read it; remove it there, and replace it.`) // prettier-ignore
  })
  return [...named, ...found]
}

function valueOf(secret: Secret): string {
  try {
    return secret.current()
  } catch {
    return ''
  }
}

const proxyVariables = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']

export interface ProxySettings {
  /** Node sends requests through a proxy: who resolves the names is not this process, and no address is judged. */
  readonly inForce?: string
  /** A proxy is named, and nobody uses it yet. */
  readonly named?: string
}

/** Whether requests may go through a proxy, one sentence. */
export function proxySettings({ environment, argv = [] }: StartedWith): ProxySettings {
  const isOn = !['', '0', undefined].includes(environment['NODE_USE_ENV_PROXY'])
  const option = [...argv, environment['NODE_OPTIONS'] ?? ''].some((word) => word.includes('--use-env-proxy'))
  const why = 'A proxy would resolve names, and no address would be judged before something connects to it.'
  if (isOn || option) {
    const what = isOn ? 'Unset NODE_USE_ENV_PROXY' : 'Start without --use-env-proxy'
    return { inForce: `Node is told to use a proxy. ${why} ${what}.` }
  }
  const set = proxyVariables.filter((name) => (environment[name] ?? '') !== '')
  return set.length === 0 ? {} : { named: `${set.join(', ')} names a proxy. ${why} Unset it.` }
}

/** Throws where the check of addresses would be void: in production for any proxy, in development for one that is in use. */
export function refuseProxy(mode: 'development' | 'production', started: StartedWith): void {
  const { inForce, named } = proxySettings(started)
  const why = inForce ?? (mode === 'production' ? named : undefined)
  if (why !== undefined) throw new Error(why)
}
