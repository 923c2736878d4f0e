import type { KeyObject } from 'node:crypto'

/** Signature algorithms that are offered (RFC 7518, RFC 8037, RFC 9864). Symmetric ones never are. */
export const algorithms = ['EdDSA', 'Ed25519', 'ES256', 'ES384', 'PS256', 'RS256'] as const

export type Algorithm = (typeof algorithms)[number]

/** One public key of an issuer, and the only algorithm it verifies. */
export interface IssuerKey {
  readonly kid?: string
  readonly alg: Algorithm
  readonly key: KeyObject
}

/**
 * The public keys of one issuer, from wherever they are kept.
 *
 * Promises: gives only keys that were checked when they were taken in; a token never decides where keys come from,
 * and asking for an unknown key causes at most one look at their source per cool-down.
 */
export interface IssuerKeys {
  /** Keys in force. `kid` lets a remote source know that it may be out of date. */
  keys(kid: string | undefined): readonly IssuerKey[] | Promise<readonly IssuerKey[]>
  /** What is wrong with their source, as far as is known; undefined when nothing is. Whoever asks makes it look again, where that is due. */
  trouble?(): KeysTrouble | undefined
}

export interface KeysTrouble {
  /** One sentence for operators. */
  readonly why: string
  /** Whether there are keys in force all the same. */
  readonly inForce: boolean
}
