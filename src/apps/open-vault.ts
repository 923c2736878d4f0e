import { tlsFiles } from '../adapters/tls-files.ts'
import { vaultSecrets, type VaultSecrets } from '../adapters/secrets-vault.ts'
import { vaultHttp } from '../adapters/vault-http.ts'
import { vaultSession, type VaultLogin } from '../adapters/vault-session.ts'
import type { SecretRef } from '../config/fields.ts'
import type { VaultSection } from '../config/secrets-section.ts'
import type { Clock } from '../ports/clock.ts'
import type { Secret } from '../ports/secret.ts'
import { reportedTls, type ReportedTls } from './reported-tls.ts'

/** Secrets in Vault, and the authorities it is trusted by where they are named. */
export interface OpenVault extends VaultSecrets {
  readonly tls?: ReportedTls
}

interface Around {
  readonly clock: Clock
  readonly fault: (error: Error) => void
  /** A secret of this machine: Vault's own credentials are, and live like all others. */
  readonly near: (name: string, ref: SecretRef) => Secret
}

/** Opens Vault as configured; nothing is asked of it yet. Rejects when what opens it cannot be used. */
export async function openVault(vault: VaultSection | undefined, { clock, fault, near }: Around): Promise<OpenVault> {
  if (!vault) throw new Error('secrets.vault does not say where Vault is.')
  const login = loginOf(vault, near)
  const tls = vault.ca === undefined ? undefined : await trusted(vault.ca, clock)
  const { url, namespace, renew, refreshSeconds, holdSeconds } = vault
  const http = vaultHttp({ url, ...(namespace !== undefined && { namespace }), ...(tls && { tls }) })
  const secrets = vaultSecrets({
    session: vaultSession({ http, login, renew, clock }),
    origin: http.origin,
    refreshMs: refreshSeconds * 1_000,
    holdMs: holdSeconds * 1_000,
    clock,
    random: Math.random,
    fault,
  })
  const close = () => secrets.close().finally(() => tls?.close())
  return { ...secrets, ...(tls && { tls }), close }
}

/** Read again when the file changes, under the same law as every other certificate. */
function trusted(ca: string, clock: Clock): Promise<ReportedTls> {
  const trust = { name: 'secrets.vault', files: { ca }, use: 'client', minVersion: '1.2', strictKey: false } as const
  return reportedTls((told) => tlsFiles({ ...trust, clock, told }))
}

function loginOf({ token, appRole }: VaultSection, near: Around['near']): VaultLogin {
  const at = 'secrets.vault'
  if (token) return { kind: 'token', token: near(`${at}.token`, token) }
  if (!appRole) throw new Error(`${at} needs either token or appRole.`)
  const roleId = near(`${at}.appRole.roleId`, appRole.roleId)
  const secretId = near(`${at}.appRole.secretId`, appRole.secretId)
  return { kind: 'appRole', mount: appRole.mount, roleId, secretId }
}
