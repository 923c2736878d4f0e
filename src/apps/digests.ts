import { createHmac } from 'node:crypto'
import type { Keys } from '../adapters/keys-file.ts'
import { canonicalize } from '../evidence/canonical.ts'
import type { KeyedDigest } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { Json } from '../ports/json.ts'

/** Keyed digests of what must not be stored. A plain hash of an email can be guessed; these cannot. */
export interface Digests {
  /** For evidence: under the tenant's key of this month. */
  readonly keyed: (tenant: string, value: Json) => KeyedDigest
  /** For keys of our own state: under one key that does not change. Hex. */
  readonly plain: (tenant: string, value: Json) => string
  /** For fingerprints that are compared within a tenant. 32 bytes. */
  readonly tenantKey: (tenant: string) => Uint8Array
  /** For values that are compared over months, such as recipients. Hex, 128 bits. */
  readonly lasting: (tenant: string, value: string) => string
}

export function digests(keys: Keys, clock: Clock): Digests {
  const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest('hex')
  return {
    keyed(tenant, value) {
      const { id, key } = keys.digestKey(tenant, clock.nowMs())
      const text = canonicalize(value)
      return { digest: hmac(key, text), alg: 'hmac-sha256', keyId: id, sizeBytes: Buffer.byteLength(text) }
    },
    plain: (tenant, value) => hmac(keys.historyKey, `plain\0${tenant}\0${canonicalize(value)}`),
    tenantKey: (tenant) => createHmac('sha256', keys.historyKey).update(`fingerprint\0${tenant}`).digest(),
    lasting: (tenant, value) => hmac(keys.historyKey, `lasting\0${tenant}\0${value}`).slice(0, 32),
  }
}
