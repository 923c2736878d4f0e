import path from 'node:path'
import { z } from 'zod'
import { algorithms, type Algorithm } from '../ports/issuer-keys.ts'
import { PrincipalItem } from './documents.ts'
import { name, oneOf, pathIn, type Place } from './fields.ts'
import { isLoopback } from './transport.ts'

/** An issuer whose tokens count. */
interface IssuerSection {
  /** Compared exactly with `iss`. */
  readonly issuer: string
  /** JSON Web Key Set: a file, or the address it is fetched from. */
  readonly jwks: string
  /** Authorities that the certificate of that address must come from, a file. */
  readonly ca?: string
  readonly algorithms: readonly Algorithm[]
  readonly maxTtlSeconds?: number
  /** `optional` for an issuer that writes none: its tokens begin when they were issued. */
  readonly nbf: 'required' | 'optional'
}

export interface AuthSection {
  readonly issuers: readonly IssuerSection[]
  readonly audience: string
  /** Longest life of a token, seconds; 600 at most. */
  readonly maxTtlSeconds: number
  readonly skewSeconds: number
  /** A token belongs to its first sender, or is for one request. Where it is not written, loopback development asks for less. */
  readonly replay?: 'bound' | 'strict'
  /** Grants of `agent:local`, who calls over stdio without a token; development only. */
  readonly stdio: { readonly grants: readonly string[] }
  /** Where the data of each tenant lives. A tenant that is not here must bring a region in its token. */
  readonly tenants: Readonly<Record<string, { readonly home: string }>>
  /** Backend region that serves a subject's region. */
  readonly regions: Readonly<Record<string, string>>
  /** Agents show a client certificate, or they are not served. */
  readonly mtls: boolean
}

const scope = z.string().regex(/^[!#-)+-[\]-~]{1,128}$/, 'must be a scope without "*"')

/** The schema of `auth`. */
export function authSection(place: Place): z.ZodType<AuthSection> {
  const issuer = z.strictObject({
    issuer: z.string().min(1).max(512),
    jwks: keySource(place),
    ca: pathIn(place).exactOptional(),
    algorithms: z.array(z.enum(algorithms)).min(1).default(['EdDSA', 'ES256']),
    maxTtlSeconds: ttl.exactOptional(),
    nbf: oneOf(['required', 'optional']).default('required'),
  })
  return z.strictObject({
    issuers: z.array(issuer).max(32).default([]),
    audience: z.string().min(1).max(512).default('urn:sluicegate:gateway'),
    maxTtlSeconds: ttl.default(600),
    skewSeconds: z.int().min(0).max(60).default(60),
    replay: oneOf(['bound', 'strict']).exactOptional(),
    stdio: z.strictObject({ grants: z.array(scope).max(256).default([]) }).prefault({}),
    tenants: z.record(name, z.strictObject({ home: name })).default({}),
    regions: z.record(name, name).default({ EU: 'eu-west', US: 'us-east' }),
    mtls: z.boolean().default(false),
  })
}

const ttl = z.int().min(1).max(600, 'must be at most 600 seconds: a token that lives longer is worth stealing')

/** True for keys that are fetched, false for a file. */
export const isKeysUrl = (jwks: string): boolean => /^https?:\/\//.test(jwks)

/** A file, or an address. In clear only where nobody can listen: who changes the keys on their way can be anybody. */
function keySource(place: Place): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .transform((text, context) => {
      if (!/^[a-z][a-z0-9+.-]+:\//i.test(text)) return path.resolve(place.directory, text)
      const url = URL.parse(text)
      const fine = url !== null && url.username === '' && url.password === '' && url.hash === ''
      const local = url?.protocol === 'http:' && place.mode === 'development' && isLoopback(url.hostname)
      if (fine && (url.protocol === 'https:' || local)) return url.href
      context.addIssue({ code: 'custom', message: keysUrl, input: undefined })
      return z.NEVER
    })
}

const keysUrl =
  'must be a file, or an https:// URL without user, password and fragment (http:// only to loopback, in development)'

/** A principal or a request for one in place, or a file that holds one or a list of them. */
export type PrincipalSource = PrincipalItem | string

/** The schema of `principals`. */
export function principalsSection(place: Place): z.ZodType<readonly PrincipalSource[]> {
  const file = pathIn(place)
  const source = z.unknown().transform((value, context): PrincipalSource => {
    const read = typeof value === 'string' ? file.safeParse(value) : PrincipalItem.safeParse(value)
    if (read.success) return read.data
    for (const issue of read.error.issues) context.addIssue({ ...issue, input: undefined } as never)
    return z.NEVER
  })
  return z.array(source).max(10_000)
}
