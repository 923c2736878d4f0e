import { createHash } from 'node:crypto'
import { thumbOf } from '../../src/identity/dpop.ts'
import { signed, type Mint } from './tokens.ts'

/** What a proof says, where it is not what a good one says. */
export interface ProofOf {
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
}

/** The claim that binds a token to a key. */
export const boundTo = ({ publicKey }: Mint) => ({ cnf: { jkt: thumbOf(publicKey) } })

export const publicJwk = ({ publicKey }: Mint): Record<string, unknown> => ({ ...publicKey.export({ format: 'jwk' }) })

export const athOf = (token: string): string => createHash('sha256').update(token).digest('base64url')

let made = 0

/** A proof that the holder of this key shows this token, now, in a POST to this address. */
export function proofBy(
  key: Mint,
  token: string,
  url: string,
  nowMs: number,
  { header, claims }: ProofOf = {},
): string {
  const iat = Math.floor(nowMs / 1000)
  const payload = { jti: `proof-${++made}`, htm: 'POST', htu: url, iat, ath: athOf(token), ...claims }
  return signed(key, { typ: 'dpop+jwt', alg: key.alg, jwk: publicJwk(key), ...header }, payload)
}
