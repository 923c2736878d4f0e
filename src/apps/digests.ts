import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { Keys } from '../adapters/keys-file.ts'
import { fingerprinter, type Fingerprint } from '../detection/fingerprint.ts'
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
  /** What loop detection compares within a tenant. */
  readonly fingerprint: (tenant: string, value: Json) => Fingerprint
  /** For values that are compared over months, such as recipients. Hex, 128 bits. */
  readonly lasting: (tenant: string, value: string) => string
}

export function digests(keys: Keys, clock: Clock): Digests {
  const hmac = (key: KeyObject, text: string) => createHmac('sha256', key).update(text).digest('hex')
  const history = createSecretKey(keys.historyKey)
  const months = held((_id, key: Uint8Array) => createSecretKey(key))
  const tenantKey = (tenant: string) => createHmac('sha256', history).update(`fingerprint\0${tenant}`).digest()
  const fingerprints = held((tenant) => fingerprinter(tenantKey(tenant)))
  return {
    keyed(tenant, value) {
      const { id, key } = keys.digestKey(tenant, clock.nowMs())
      const text = canonicalize(value)
      return { digest: hmac(months(id, key), text), alg: 'hmac-sha256', keyId: id, sizeBytes: Buffer.byteLength(text) }
    },
    plain: (tenant, value) => hmac(history, `plain\0${tenant}\0${canonicalize(value)}`),
    tenantKey,
    fingerprint: (tenant, value) => fingerprints(tenant)(value),
    lasting: (tenant, value) => hmac(history, `lasting\0${tenant}\0${value}`).slice(0, 32),
  }
}

/** Most prepared keys held at one time. Node takes four times as long to hash under bytes as under a prepared key. */
const heldMax = 10_000

/** Makes each value once. */
function held<Value, Rest extends unknown[]>(
  make: (id: string, ...rest: Rest) => Value,
): (id: string, ...rest: Rest) => Value {
  const values = new Map<string, Value>()
  return (id, ...rest) => {
    const known = values.get(id)
    if (known !== undefined) return known
    const made = make(id, ...rest)
    if (values.size >= heldMax) values.clear()
    values.set(id, made)
    return made
  }
}
