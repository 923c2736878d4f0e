/** Types of `verify.mjs`, for those who call it as a library. */

export interface VerifierProblem {
  readonly code: string
  readonly stream?: string
  readonly segment?: string
  readonly seq?: number
  readonly offset?: number
  readonly lastGoodSeq?: number
  readonly message: string
}

export interface VerifierStream {
  readonly stream: string
  readonly records: number
  readonly checkpoints: number
  readonly closed: boolean
}

export interface VerifierReport {
  readonly ok: boolean
  readonly exit: 0 | 1 | 2
  readonly records: number
  readonly streams: readonly VerifierStream[]
  readonly problems: readonly VerifierProblem[]
}

/** One implementation of Ed25519. */
export type Engine = (pub: Buffer, message: Buffer, sig: Buffer) => boolean

export interface VerifierTrust {
  readonly deployment: string
  readonly keys: readonly object[]
}

export interface Pin {
  readonly stream: string
  readonly size: number
  readonly root: string
  readonly by: string
}

export const openssl: Engine
export function tweetnacl(nacl: {
  readonly sign: { readonly detached: { verify(message: Uint8Array, sig: Uint8Array, pub: Uint8Array): boolean } }
}): Engine
export function soundPoint(bytes: Uint8Array): boolean
export function signatureHolds(engines: readonly Engine[], pub: Buffer, message: Buffer, sig: Buffer): boolean
export function readTrust(text: string): VerifierTrust
export function readZip(zip: Buffer): Map<string, Buffer>
export function verifyStream(options: {
  readonly stream?: string
  readonly segments: readonly { readonly name: string; readonly number: number; readonly bytes: Buffer }[]
  readonly trust?: VerifierTrust
  readonly pins?: readonly Pin[]
  readonly engines?: readonly Engine[]
  readonly hashes?: boolean
}): VerifierStream & { readonly problems: readonly VerifierProblem[] }
export function verifyPath(
  path: string,
  options?: { readonly trust?: string; readonly anchor?: string; readonly engines?: readonly Engine[] },
): VerifierReport
