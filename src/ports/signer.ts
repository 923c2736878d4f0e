/** Signs bytes with one Ed25519 key (RFC 8032). The private half never leaves the signer. */
export interface Signer {
  /** SHA-256 of the public key's SPKI encoding, lowercase hex. */
  readonly kid: string
  /** The 32 raw bytes of the public key. */
  readonly publicKey: Uint8Array
  /** The 64-byte signature. A signer that holds its key in memory answers at once; a remote one promises. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
}
