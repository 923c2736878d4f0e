import type { Kind } from './finding.ts'

/** What each kind is called when masked: the constant that replaces it. */
const constants: ReadonlyMap<Kind, string> = new Map([
  ['email', '***@***'],
  ['phone', '***-***'],
])

/** Kinds that open something: never shown in part. */
const secretKinds: ReadonlySet<Kind> = new Set([
  'private_key',
  'connection_string',
  'jwt',
  'aws_key',
  'token',
  'password',
])

/** Every kind the built-in recognizers and key names give, and `private` for what only a field rule names. */
export const builtInKinds: readonly Kind[] = [
  ...secretKinds,
  'email',
  'phone',
  'card',
  'ssn',
  'iban',
  'ip',
  'mac',
  'national_id',
  'date_of_birth',
  'person',
  'address',
  'private',
]

export function isSecret(kind: Kind): boolean {
  return secretKinds.has(kind)
}

/** The constant a masked value of this kind becomes. */
export function maskOf(kind: Kind): string {
  return constants.get(kind) ?? `<${kind}>`
}

const kindOfMask: ReadonlyMap<string, Kind> = new Map(builtInKinds.map((kind) => [maskOf(kind), kind]))

/** The kind a text is the mask of, when it is one and nothing else. */
export function maskedKind(text: string): Kind | undefined {
  return kindOfMask.get(text)
}

const hashed = new RegExp(`^(${builtInKinds.join('|')}):[A-Za-z0-9_-]{1,32}:[A-Z2-7]{16}$`)

/** The kind a text is the keyed hash of, by its form: `<kind>:<key id>:<16 base32 characters>`. */
export function hashedKind(text: string): Kind | undefined {
  return text.length <= 72 ? hashed.exec(text)?.[1] : undefined
}

/** True for what this scanner writes in place of a value. Found again, it is nothing. */
export function isOurs(text: string): boolean {
  return maskedKind(text) !== undefined || hashedKind(text) !== undefined
}
