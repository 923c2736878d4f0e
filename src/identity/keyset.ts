import { createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import type { Algorithm, IssuerKey, IssuerKeys } from '../ports/issuer-keys.ts'

/** Why a set of keys was refused: one sentence per key. */
export class KeySetError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join(' '))
    this.name = 'KeySetError'
    this.problems = problems
  }
}

const Jwk = z.looseObject({
  kty: z.string(),
  kid: z.string().min(1).max(256).optional(),
  use: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  alg: z.string().optional(),
  crv: z.string().optional(),
  n: z.string().optional(),
})
type Jwk = z.infer<typeof Jwk>

const Jwks = z.looseObject({ keys: z.array(Jwk).min(1).max(100) })

/**
 * Keys from a JSON Web Key Set (RFC 7517), for an issuer that signs with `allowed`. Encryption keys and kinds we do
 * not offer are passed over. Throws `KeySetError` for a secret in the set, a weak key, a repeated `kid`, or nothing usable.
 */
export function keySet(jwks: unknown, allowed: readonly Algorithm[]): IssuerKeys {
  const parsed = Jwks.safeParse(jwks)
  if (!parsed.success) throw new KeySetError([noSet(jwks)])
  const usable = parsed.data.keys.flatMap((jwk) => take(jwk, allowed))
  const problems = [...usable.filter((taken) => typeof taken === 'string'), ...repeated(parsed.data.keys)]
  const keys = usable.filter((taken) => typeof taken !== 'string')
  if (problems.length === 0 && keys.length === 0) problems.push(`The key set holds no key for ${allowed.join(', ')}.`)
  if (problems.length > 0) throw new KeySetError(problems)
  return { keys: () => keys }
}

/** Says so of the document that lies beside the keys of each issuer, and is easily taken for them. */
function noSet(jwks: unknown): string {
  return typeof jwks === 'object' && jwks !== null && 'jwks_uri' in jwks
    ? 'This is what the issuer says of itself, not its keys: those are at the address under "jwks_uri".'
    : 'The key set is not a JSON object with a list "keys" (RFC 7517).'
}

function repeated(keys: readonly Jwk[]): readonly string[] {
  const kids = keys.flatMap(({ kid }) => (kid === undefined ? [] : [kid]))
  return new Set(kids).size === kids.length ? [] : ['The key set gives one "kid" to two keys.']
}

/** The key, a sentence when it must not be in a set at all, or nothing when it is for something else. */
function take(jwk: Jwk, allowed: readonly Algorithm[]): readonly (IssuerKey | string)[] {
  const name = `The key ${jwk.kid === undefined ? 'without "kid"' : `"${jwk.kid}"`}`
  if ('d' in jwk || 'k' in jwk) return [`${name} is a secret; a key set holds public keys only.`]
  if ((jwk.use ?? 'sig') !== 'sig' || jwk.key_ops?.includes('verify') === false) return []
  const wanted = allowed.filter((alg) => fits(jwk, alg))
  if (wanted.length === 0) return []
  const key = publicKey(jwk)
  if (!key) return [`${name} cannot be read.`]
  const weak = weakness(jwk, key)
  return weak === undefined
    ? wanted.map((alg) => ({ alg, key, ...(jwk.kid !== undefined && { kid: jwk.kid }) }))
    : [`${name} ${weak}.`]
}

/** A key is for one algorithm: the one it names, else the one its kind implies. An RSA key that names none serves what its issuer lists. */
function fits(jwk: Jwk, alg: Algorithm): boolean {
  const kind = kinds[alg]
  const named = jwk.alg === undefined || jwk.alg === alg || (edwards.has(jwk.alg) && edwards.has(alg))
  return named && jwk.kty === kind.kty && (kind.crv === undefined || jwk.crv === kind.crv)
}

/** Two names of one algorithm (RFC 9864). */
const edwards: ReadonlySet<string> = new Set(['EdDSA', 'Ed25519'])

const kinds: Readonly<Record<Algorithm, { readonly kty: string; readonly crv?: string }>> = {
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  PS256: { kty: 'RSA' },
  RS256: { kty: 'RSA' },
}

function publicKey(jwk: Jwk): KeyObject | undefined {
  try {
    return createPublicKey({ format: 'jwk', key: jwk as Record<string, unknown> })
  } catch {
    return undefined
  }
}

function weakness(jwk: Jwk, key: KeyObject): string | undefined {
  if (jwk.kty !== 'RSA') return undefined
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < 2048) return 'has fewer than 2048 bits'
  if (publicExponent < 65537n || publicExponent % 2n === 0n) return 'has an unsafe public exponent'
  return madeByBrokenGenerator(Buffer.from(jwk.n ?? '', 'base64url'))
    ? 'was made by a generator with a known flaw (CVE-2017-15361)'
    : undefined
}

/** Small primes at which the flawed generator leaves a fingerprint. */
const fingerprintPrimes = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
]

/** True when the modulus is a power of 65537 modulo every small prime: by chance that happens to one key in 2^27 or fewer. */
function madeByBrokenGenerator(modulus: Uint8Array): boolean {
  const n = BigInt(`0x0${Buffer.from(modulus).toString('hex')}`)
  return fingerprintPrimes.every((prime) => powersOf(65537 % prime, prime).has(Number(n % BigInt(prime))))
}

function powersOf(base: number, prime: number): ReadonlySet<number> {
  const powers = new Set<number>()
  for (let power = 1; !powers.has(power); power = (power * base) % prime) powers.add(power)
  return powers
}
