import { z } from 'zod'
import type { Problem } from '../policy/document.ts'
import { destination, name, pathIn, secretIn, type Place, type SecretRef } from './fields.ts'
import type { At } from './source.ts'

/** An OpenBao or HashiCorp Vault server, and who we are there: a token, or an AppRole. */
export interface VaultSection {
  /** Scheme, host and port; nothing else is ever asked. */
  readonly url: string
  readonly token?: SecretRef
  readonly appRole?: { readonly mount: string; readonly roleId: SecretRef; readonly secretId: SecretRef }
  readonly namespace?: string
  /** Certificates to trust beside nothing else, a PEM file; the system's own when absent. */
  readonly ca?: string
  /** How often every secret is read again, seconds. */
  readonly refreshSeconds: number
  /** How long the last values serve while Vault cannot be asked, seconds. */
  readonly holdSeconds: number
  /** Keep our token alive. Off when somebody else, such as an agent, does. */
  readonly renew: boolean
}

export interface SecretsSection {
  /** Where references may point: files, or files and Vault. */
  readonly provider: 'file' | 'vault'
  /** Days after which a secret is reported as too old. */
  readonly rotationDays: number
  readonly vault?: VaultSection
}

const later = 'is not in this version: use vault: for secrets that a KMS would hold.'

/** The schema of `secrets`. */
export function secretsSection(place: Place) {
  return z
    .strictObject({
      provider: z
        .enum(['file', 'vault'], {
          error: ({ input }) => (input === 'kms' ? `is 'kms', which ${later}` : 'must be file or vault'),
        })
        .default('file'),
      rotationDays: z.int().min(1).max(3_650).default(60),
      vault: vaultSection(place).exactOptional(),
    })
    .prefault({})
}

/** What Vault's own credentials may be: to ask Vault for them would need them. */
function credential(place: Place) {
  return secretIn(place).refine(({ from }) => from !== 'vault', 'opens Vault and cannot lie in it; use file:<path>')
}

function vaultSection(place: Place): z.ZodType<VaultSection> {
  return z
    .strictObject({
      url: destination.refine((url) => new URL(url).href === `${url}/`, 'must be scheme, host and port alone'),
      token: credential(place).exactOptional(),
      appRole: z
        .strictObject({ mount: name.default('approle'), roleId: credential(place), secretId: credential(place) })
        .exactOptional(),
      namespace: z.string().regex(/^[\w-]+(?:\/[\w-]+)*\/?$/, 'must be a namespace such as team/gateway').exactOptional(), // prettier-ignore
      ca: pathIn(place).exactOptional(),
      refreshSeconds: z.int().min(1).max(3_600).default(30),
      holdSeconds: z.int().min(0).max(86_400).default(900),
      renew: z.boolean().default(true),
    })
    .refine(({ token, appRole }) => (token === undefined) !== (appRole === undefined), 'needs either token or appRole')
    .refine(({ url }) => place.mode === 'development' || isSafe(url), {
      path: ['url'],
      message: 'would carry our token in clear; use https://',
    })
}

function isSafe(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(hostname)
}

/** References to Vault that nobody can follow, and a Vault that nothing may use. */
export function vaultProblems(config: { readonly secrets: SecretsSection }, at: At): readonly Problem[] {
  const { provider, vault } = config.secrets
  if (provider === 'vault')
    return vault ? [] : [at(['secrets', 'provider'], 'secrets.provider is vault; say where it is in secrets.vault.')]
  if (vault)
    return [at(['secrets', 'vault'], 'secrets.vault is not used; set secrets.provider to vault, or remove it.')]
  const message = 'This points to Vault; set secrets.provider to vault and say where it is in secrets.vault.'
  return referencesIn(config).flatMap(({ where, ref }) => (ref.from === 'vault' ? [at(where, message)] : []))
}

/** Every reference to a secret in a configuration, by its key. */
export function secretReferences(config: object): readonly { readonly name: string; readonly ref: SecretRef }[] {
  return referencesIn(config).map(({ where, ref }) => ({ name: where.join('.'), ref }))
}

interface Reference {
  readonly where: readonly (string | number)[]
  readonly ref: SecretRef
}

function referencesIn(value: unknown, where: readonly (string | number)[] = []): readonly Reference[] {
  if (typeof value !== 'object' || value === null) return []
  if (isReference(value)) return [{ where, ref: value }]
  const entries = Array.isArray(value) ? value.map((one, index) => [index, one] as const) : Object.entries(value)
  return entries.flatMap(([key, one]) => referencesIn(one, [...where, key]))
}

/** What the schema makes of a reference, and of nothing else. */
function isReference(value: object): value is SecretRef {
  const keys = Object.keys(value).sort().join()
  if (!('from' in value)) return false
  if (value.from === 'vault') return keys === 'field,from,path'
  return (value.from === 'file' && keys === 'from,path') || (value.from === 'env' && keys === 'from,name')
}
