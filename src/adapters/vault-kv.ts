import type { JsonObject } from '../ports/json.ts'
import { isJsonObject } from '../ports/json.ts'
import { isSecretText } from './secrets-file.ts'
import { VaultError } from './vault-http.ts'
import { objectAt, type VaultSession } from './vault-session.ts'

/** One version of a secret, with all of its fields. */
export interface KvRead {
  readonly fields: JsonObject
  /** When this version was made, milliseconds since the epoch; only KV v2 says. */
  readonly madeMs?: number
}

/**
 * What is at a path now, in KV v2 or v1: Vault says which its mount has, as it tells its own command line. Rejects with a
 * `VaultError`; a mount of any other engine is a `no`, for what reading does there is not ours to know.
 */
export async function readKv(session: VaultSession, path: string): Promise<KvRead> {
  const { prefix, version } = await mountOf(session, path)
  if (version === '1') return { fields: dataIn(await session.ask({ method: 'GET', path })) }
  const rest = path.slice(prefix.length)
  const found = dataIn(await session.ask({ method: 'GET', path: `${prefix}data/${rest}` }))
  const made = objectAt(found, 'metadata')['created_time']
  const madeMs = typeof made === 'string' ? Date.parse(made) : NaN
  return { fields: dataIn(found), ...(Number.isFinite(madeMs) && { madeMs }) }
}

/** A field's value, when it is a secret. */
export function secretIn(read: KvRead | undefined, field: string): string | undefined {
  const value = read && Object.hasOwn(read.fields, field) ? read.fields[field] : undefined
  return typeof value === 'string' && isSecretText(value) ? value : undefined
}

async function mountOf(session: VaultSession, path: string) {
  const mount = dataIn(await session.ask({ method: 'GET', path: `sys/internal/ui/mounts/${path}` }))
  const { path: prefix, type } = mount
  if (typeof prefix !== 'string' || !prefix.endsWith('/') || !path.startsWith(prefix) || typeof type !== 'string')
    throw new VaultError('odd', 'it names no mount for that path')
  const version = objectAt(mount, 'options')['version'] ?? '1'
  // `generic` is what KV v1 was called at first.
  if ((type !== 'kv' && type !== 'generic') || (version !== '1' && version !== '2')) throw new VaultError('no', otherEngine) // prettier-ignore
  return { prefix, version }
}

const otherEngine = 'another engine than KV is mounted there, and only KV (version 1 or 2) is read'

function dataIn(answer: JsonObject): JsonObject {
  const { data } = answer
  if (!isJsonObject(data)) throw new VaultError('odd', 'its answer makes no sense')
  return data
}
