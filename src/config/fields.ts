import path from 'node:path'
import { z } from 'zod'

/** What a field's meaning depends on beside its text. */
export interface Place {
  readonly mode: 'development' | 'production'
  /** Directory of the configuration file; relative paths begin here. */
  readonly directory: string
}

/** Where a secret is. Its value never stands in configuration. */
export type SecretRef =
  | { readonly from: 'file'; readonly path: string }
  /** Development only: other processes of the machine can read an environment. */
  | { readonly from: 'env'; readonly name: string }
  /** In OpenBao or Vault: mount and path below it, and a field of the secret there. */
  | { readonly from: 'vault'; readonly path: string; readonly field: string }

/** Keys under which a value may be anything a person would call a name: tenants, services, regions. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be up to 64 letters, digits, ".", "_" and "-"')

export const port = z.int().min(0).max(65_535)

/** An absolute path, from one that may be relative to the configuration file. */
export function pathIn({ directory }: Place): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .transform((text) => path.resolve(directory, text))
}

/** A reference to a secret. Refuses values, and places that this version or this mode cannot read from. */
export function secretIn(place: Place): z.ZodType<SecretRef> {
  return z.string().transform((text, context): SecretRef => {
    const [, from, rest] = /^([a-z]+):(.+)$/s.exec(text) ?? []
    if (from === 'file' && rest !== undefined) return { from, path: path.resolve(place.directory, rest) }
    if (from === 'env' && rest !== undefined && place.mode === 'development') return { from, name: rest }
    const [, below, field] = from === 'vault' ? (vaultPlace.exec(rest ?? '') ?? []) : []
    if (below !== undefined && field !== undefined) return { from: 'vault', path: below, field }
    context.addIssue({ code: 'custom', message: secretProblem(from), input: undefined })
    return z.NEVER
  })
}

/** `<mount>/<path>#<field>`. No segment may lead elsewhere: none is empty, `.` or `..`, and none needs encoding. */
const vaultPlace = /^((?!\.{1,2}(?:\/|#))[\w.@:-]+(?:\/(?!\.{1,2}(?:\/|#))[\w.@:-]+)+)#([\w.-]{1,128})$/

/** Never repeats what was written: it may be the secret itself. */
function secretProblem(from: string | undefined): string {
  switch (from) {
    case 'env':
      return 'names an environment variable, which production refuses; write the secret to a file and use file:<path>'
    case 'vault':
      return 'must be vault:<mount>/<path>#<field>'
    case 'kms':
      return 'names a KMS, which this version does not speak; use vault:<mount>/<path>#<field>, or file:<path>'
    default:
      return 'must be a reference to a secret, never its value: file:<path>, vault:<mount>/<path>#<field>, or env:<NAME> in development'
  }
}

/** An http(s) URL of a destination that configuration vouches for. Credentials and fragments have no place in it. */
export const destination = z.string().transform((text, context) => {
  const url = URL.parse(text)
  const fine =
    url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && url.hash === ''
  if (fine) return url.href.replace(/\/$/, '')
  context.addIssue({
    code: 'custom',
    message: 'must be an http:// or https:// URL without user, password and fragment',
    input: undefined,
  })
  return z.NEVER
})

/** The address by which clients know the MCP endpoint, e.g. `https://gate.example.com/mcp`: over TLS, except in development. */
export function publicUrlIn({ mode }: Place): z.ZodType<string> {
  return z.string().transform((text, context) => {
    const url = URL.parse(text)
    const plain = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
    const secret = url?.protocol === 'https:' || (url?.protocol === 'http:' && mode === 'development')
    if (url && plain && secret) return url.href
    context.addIssue({
      code: 'custom',
      message: 'must be an https:// URL without user, query and fragment, e.g. https://gate.example.com/mcp',
      input: undefined,
    })
    return z.NEVER
  })
}

/** A key that this version does not serve: its presence is an error, for ignoring it would be a broken promise. */
export function notServed(sentence: string): z.ZodType<undefined> {
  return z.custom<undefined>(() => false, `is not in this version: ${sentence}`)
}

/** One of several words of which only some are served. */
export function oneOf<const Served extends string>(
  served: readonly [Served, ...Served[]],
  later: Readonly<Record<string, string>> = {},
): z.ZodType<Served> {
  return z.custom<Served>((value) => served.includes(value as Served), {
    error: ({ input }) => {
      const sentence = typeof input === 'string' && Object.hasOwn(later, input) ? later[input] : undefined
      return sentence === undefined
        ? `must be ${served.join(' or ')}`
        : `is '${String(input)}', which is not in this version: ${sentence}`
    },
  })
}
