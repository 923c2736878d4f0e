import { createHash, randomUUID, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { algorithms, type Algorithm, type IssuerKey } from '../ports/issuer-keys.ts'
import type { StateStore } from '../ports/state-store.ts'
import { isWhy, objectFrom, readCompact, type Compact, type Why } from './compact.ts'
import { keySet } from './keyset.ts'
import type { ProofOwner, ProofPace } from './proof-pace.ts'
import { checkSignature } from './signature.ts'
import type { SteadyTime } from './steady.ts'

/** A proof of possession as it came with a token, and the request it must be about. */
export interface ShownProof {
  /** The `DPoP` header. */
  readonly proof: string
  readonly method: string
  /** The address the client used, without query and fragment. */
  readonly url: string
}

/** A proof that fits its request and token. Whether its key made it is not known yet. */
export interface ReadProof {
  readonly text: string
  readonly compact: Compact
  readonly key: IssuerKey
  /** RFC 7638 thumbprint of its key, base64url. */
  readonly keyThumb: string
  readonly jti: string
}

export interface DpopParts {
  readonly state: Pick<StateStore, 'remember'>
  readonly time: SteadyTime
  /** How many proofs each may have remembered; see `proof-pace.ts`. */
  readonly pace: ProofPace
}

/** What became of a proof that its key may have made. */
export type CheckedProof =
  | { readonly kind: 'good' }
  | { readonly kind: 'refused'; readonly why: Why }
  /** Its owner shows more than there is room for. */
  | { readonly kind: 'early'; readonly waitMs: number }
  /** The state did not say whether it was shown before. */
  | { readonly kind: 'unknown' }

/** Most that a proof may be old, or ahead of us, milliseconds. */
const windowMs = 60_000
/** How long its name is remembered: until no clock that differs by that much takes it again. */
const keptMs = 3 * windowMs

const Payload = z.looseObject({
  jti: z.string().regex(/^[!-~]{1,256}$/),
  htm: z.string().max(32),
  htu: z.string().max(2048),
  iat: z.int().min(0),
  ath: z.string().max(64),
})

/**
 * Reads a DPoP proof (RFC 9449 §4.3): that it is one, about this request and this token, made now, with a public key of
 * its own. Its signature comes later, once the token has vouched for the key: nobody has us check with a key of their choice.
 */
export function readProof(shown: ShownProof, token: string, nowMs: number): ReadProof | Why {
  const compact = readCompact(shown.proof)
  if (isWhy(compact)) return refused(`The proof is malformed (${compact.check}).`)
  if (compact.typ !== 'dpop+jwt') return refused('The proof is not of the type dpop+jwt.')
  const key = keyIn(shown.proof, compact)
  if (typeof key === 'string') return refused(key)
  const payload = Payload.safeParse(objectFrom(compact.payload))
  if (!payload.success) return refused('A claim of the proof is missing or malformed.')
  const why = unfit(payload.data, shown, token, nowMs)
  if (why !== undefined) return refused(why)
  return { text: shown.proof, compact, key, keyThumb: thumbOf(key.key), jti: payload.data.jti }
}

/**
 * Checks that the proof's key made it, and that it was never shown before: refuses where the state cannot say. Only a
 * proof by the key takes anything of what its owner may show, so nobody else can use that up.
 */
export async function checkProof(
  { state, time, pace }: DpopParts,
  proof: ReadProof,
  owner: ProofOwner,
): Promise<CheckedProof> {
  const signed = await checkSignature(proof.text, proof.compact, [proof.key])
  if (isWhy(signed)) return { kind: 'refused', why: refused('The signature of the proof is not valid.') }
  const waitMs = pace.take(owner)
  if (waitMs > 0) return { kind: 'early', waitMs }
  const own = randomUUID()
  const name = `dpop/${digest(JSON.stringify([proof.keyThumb, proof.jti]))}`
  try {
    const first = await state.remember(name, own, time.latestMs() + keptMs, time.earliestMs())
    return first === own ? { kind: 'good' } : { kind: 'refused', why: refused('The proof was shown before.') }
  } catch {
    return { kind: 'unknown' }
  }
}

/** RFC 7638, of a key whose members were written by us. */
export function thumbOf(key: KeyObject): string {
  const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' })
  const members = kty === 'RSA' ? { e, kty, n } : kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x }
  return digest(JSON.stringify(members))
}

/** The public key in the header, for the algorithm in the header, or why there is none. */
function keyIn(proof: string, { alg }: Compact): IssuerKey | string {
  if (!isOffered(alg)) return 'The algorithm of the proof is not offered.'
  const header = objectFrom(Buffer.from(proof.split('.', 1)[0] ?? '', 'base64url'))
  const jwk = header?.['jwk']
  if (typeof jwk !== 'object' || jwk === null) return 'The proof brings no key.'
  if (secretMembers.some((member) => member in jwk)) return 'The proof brings a secret key.'
  const key = publicKeyOf(jwk, alg)
  return key && isModest(key.key) ? key : 'The key of the proof cannot be used.'
}

const isOffered = (alg: string): alg is Algorithm => (algorithms as readonly string[]).includes(alg)

const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

function publicKeyOf(jwk: object, alg: Algorithm): IssuerKey | undefined {
  try {
    const keys = keySet({ keys: [{ ...jwk, kid: undefined }] }, [alg]).keys(undefined) as readonly IssuerKey[]
    return keys.length === 1 ? keys[0] : undefined
  } catch {
    return undefined
  }
}

/** A key that costs no more to check with than an issuer's. */
function isModest({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (asymmetricKeyType !== 'rsa') return true
  const { modulusLength = Infinity, publicExponent } = asymmetricKeyDetails ?? {}
  return modulusLength <= 4096 && publicExponent === 65_537n
}

function unfit(
  { htm, htu, iat, ath }: z.infer<typeof Payload>,
  { method, url }: ShownProof,
  token: string,
  nowMs: number,
): string | undefined {
  if (htm !== method) return 'The proof is for another method.'
  const [said, used] = [placeOf(htu), placeOf(url)]
  if (said === undefined || said !== used) return 'The proof is for another address.'
  if (Math.abs(nowMs - iat * 1000) > windowMs) return 'The proof was not made within a minute of now.'
  return ath === digest(token) ? undefined : 'The proof is for another token.'
}

/** Scheme, authority and path, in one spelling; query and fragment take no part (RFC 9449 §4.3). */
function placeOf(address: string): string | undefined {
  const url = URL.parse(address)
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return undefined
  return `${url.origin}${url.pathname}`
}

function refused(message: string): Why {
  return { stage: 'claims', check: 'dpop', message }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
