/** How long and how much a client may take, before anything is believed. Times are milliseconds. */
export interface Dials {
  /** From the connection to the end of the TLS handshake, from there to the end of the headers, and to the end of the request. */
  readonly handshakeMs: number
  readonly headersMs: number
  readonly requestMs: number
  /** From the headers to the end of the body. */
  readonly bodyMs: number
  /** Longest time a client may take nothing of an answer that waits for it, and longest time for the whole. */
  readonly readMs: number
  readonly answerMs: number
  /** Between the end of one request and the beginning of the next. */
  readonly keepAliveMs: number
  /** How often clients are looked at. */
  readonly lookEveryMs: number
  readonly headerBytesMax: number
  readonly headersMax: number
  readonly requestsPerConnectionMax: number
  readonly connectionsMax: number
  /** From one address; all clients of a proxy share its address. */
  readonly connectionsPerAddressMax: number
  /** Of one answer, written and not yet taken. */
  readonly pendingBytesMax: number
  /** Of all answers together, known and not yet taken. */
  readonly heldBytesMax: number
}

export const defaultDials: Dials = {
  handshakeMs: 5_000,
  headersMs: 5_000,
  requestMs: 30_000,
  bodyMs: 8_000,
  readMs: 8_000,
  answerMs: 60_000,
  keepAliveMs: 5_000,
  lookEveryMs: 1_000,
  headerBytesMax: 8 * 1024,
  headersMax: 64,
  requestsPerConnectionMax: 1_000,
  connectionsMax: 4_096,
  connectionsPerAddressMax: 1_024,
  pendingBytesMax: 1024 * 1024,
  heldBytesMax: 32 * 1024 * 1024,
}

/** Why a connection was closed before its client was done; a label of metrics. */
export type CutReason =
  | 'handshake'
  | 'slow_request'
  | 'slow_body'
  | 'slow_reader'
  | 'held_answers'
  | 'malformed'
  | 'headers'
  | 'connections'
  | 'connections_per_address'

export type Cut = (reason: CutReason) => void
