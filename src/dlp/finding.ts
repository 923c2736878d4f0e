import type { Json } from '../ports/json.ts'

/** How a value leaves: a constant, its last four, a keyed hash, or not at all. `block` ends the call instead. */
export type Mode = 'mask' | 'partial' | 'hash' | 'drop' | 'block'

/** A kind of personal or secret data, e.g. `email`, `phone`, `card`, `iban`, `token`, `private_key`. */
export type Kind = string

/** Treat a field by its name or path, whatever it holds: `email`, `customer.email`, `rows.*.phone`, `$..note`. */
export interface FieldRule {
  readonly field: string
  readonly mode: Mode
}

/** One thing found. Never the value itself. */
export interface Finding {
  readonly kind: Kind
  /** Dotted path of the leaf, e.g. `rows.3.note`. Names in it that are themselves personal data are masked. */
  readonly path: string
  /** UTF-16 offsets in the leaf; the end is exclusive. The whole leaf for a field rule. */
  readonly start: number
  readonly end: number
  /** 0 to 1. */
  readonly score: number
  readonly by: 'pattern' | 'field'
  /** What decided, for an operator: `checksum`, `context`, `shape`, `key name`, … */
  readonly why: string
  /** A loopback, private or documentation address: listed, but neither counted nor rewritten. */
  readonly reserved?: true
}

export interface Findings {
  /** How many values, over all kinds; reserved addresses are left out, here and in `kinds`. */
  readonly count: number
  readonly kinds: Readonly<Record<Kind, number>>
  readonly list: readonly Finding[]
}

export interface Redaction {
  /** The rewritten value; the input itself where nothing had to change, null when the call is blocked. */
  readonly value: Json
  readonly findings: Findings
  /** Set when a rule with mode `block` met its value: the call or result must not pass. */
  readonly blocked?: Kind
}

/** Finds and rewrites personal data and secrets in parsed JSON. Throws `ScanLimit` beyond its limits; the caller withholds. */
export interface Scanner {
  readonly version: string
  scan(value: Json): Findings
  redact(value: Json, options: RedactOptions): Redaction
}

export interface RedactOptions {
  readonly tenant: string
  /** Rules by field; the strictest mode of all that match a value wins, over any default. */
  readonly fields: readonly FieldRule[]
  /** Kinds to leave in clear, e.g. for a caller with `orders.read:unmasked`. A field rule still applies. */
  readonly clear?: readonly Kind[]
}
