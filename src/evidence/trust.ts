import { z } from 'zod'
import type { KeyObject } from 'node:crypto'
import { demand, Flaw } from './problem.ts'
import { soundPoint } from './point.ts'
import { keyIdOf, publicKeyOf, strictBase64 } from './signature.ts'

/** What `trust.json` holds: public keys that somebody outside the log vouches for. */
export interface TrustFile {
  readonly v: 1
  readonly deployment: string
  readonly keys: readonly {
    /** SHA-256 of the key's SPKI encoding, lowercase hex. */
    readonly kid: string
    /** base64 of the 32 raw bytes. */
    readonly pub: string
    readonly use: 'deployment' | 'detector'
    readonly alg: 'ed25519'
  }[]
}

export const TrustFile: z.ZodType<TrustFile> = z.strictObject({
  v: z.literal(1),
  deployment: z.string().min(1).max(128),
  keys: z
    .array(
      z.strictObject({
        kid: z.string().regex(/^[0-9a-f]{64}$/),
        pub: z.string().max(44),
        use: z.enum(['deployment', 'detector']),
        alg: z.literal('ed25519'),
      }),
    )
    .max(64),
})

/** Public keys, ready to check signatures with. */
export interface Trust {
  readonly deployment: string
  readonly keys: ReadonlyMap<string, { readonly use: 'deployment' | 'detector'; readonly publicKey: KeyObject }>
}

/** Reads a trust file. Throws a `Flaw` for anything else, for a key that is not the key of its id, and for a weak key. */
export function parseTrust(text: string): Trust {
  const read = TrustFile.safeParse(parsed(text))
  demand(read.success, 'UNTRUSTED_KEY', 'The trust file is not {v: 1, deployment, keys: [{kid, pub, use, alg}]}.')
  const keys = read.data.keys.map(
    ({ kid, pub, use }) => [kid, { use, publicKey: namedKey(kid, pub).publicKey }] as const,
  )
  return { deployment: read.data.deployment, keys: new Map(keys) }
}

/** The key of that id. Throws a `Flaw` when it is another one, malformed or weak. */
export function namedKey(kid: string, pub: string): { readonly raw: Buffer; readonly publicKey: KeyObject } {
  const raw = strictBase64(pub)
  demand(raw?.length === 32, 'KID_MISMATCH', `Key ${kid} is not 32 bytes of base64.`)
  demand(soundPoint(raw), 'WEAK_KEY', `Key ${kid} has small order or is not in its canonical form.`)
  demand(keyIdOf(raw) === kid, 'KID_MISMATCH', `Key ${kid} is not the key of that id.`)
  return { raw, publicKey: publicKeyOf(raw) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Flaw('UNTRUSTED_KEY', 'The trust file is not JSON.')
  }
}
