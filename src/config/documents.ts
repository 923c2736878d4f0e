import { z } from 'zod'
import { PersonName, samePerson } from '../control/request.ts'
import { PrincipalEntry } from '../identity/directory.ts'
import { elevationSecondsMax } from '../identity/elevation.ts'
import { isJsonObject } from '../ports/json.ts'
import { name } from './fields.ts'

/** A `security.baseline.yaml`: what a security team asks of every gateway. */
export interface Baseline {
  readonly transport?: {
    readonly tls_min_version?: '1.2' | '1.3'
    readonly mtls?: boolean
    readonly cert_rotation_days?: number
  }
  readonly auth?: {
    readonly token_type?: 'JWT'
    readonly claims?: readonly string[]
    readonly max_ttl_seconds?: number
    readonly replay_window_minutes?: number
  }
  readonly secrets?: {
    readonly provider?: 'KMS|Vault' | 'KMS' | 'Vault'
    readonly rotation_days?: number
    readonly forbid_env_for_prod?: boolean
  }
}

/** Claims that every token is checked for. */
const checkedClaims: readonly string[] = ['aud', 'iss', 'sub', 'exp', 'nbf', 'jti']

const days = z.int().min(1).max(3_650)

/** The schema of a baseline. A claim that nobody checks is refused, not skipped. */
export const Baseline: z.ZodType<Baseline> = z.strictObject({
  transport: z
    .strictObject({
      tls_min_version: z.enum(['1.2', '1.3'], { error: 'must be "1.2" or "1.3", quoted' }).exactOptional(),
      mtls: z.boolean().exactOptional(),
      cert_rotation_days: days.exactOptional(),
    })
    .exactOptional(),
  auth: z
    .strictObject({
      token_type: z.literal('JWT').exactOptional(),
      claims: z
        .array(z.string())
        .refine((claims) => claims.every(isChecked), `may list ${checkedClaims.join(', ')}`)
        .exactOptional(),
      max_ttl_seconds: z.int().min(1).max(600, 'must be at most 600').exactOptional(),
      replay_window_minutes: z.int().min(1).max(1_440).exactOptional(),
    })
    .exactOptional(),
  secrets: z
    .strictObject({
      provider: z.enum(['KMS|Vault', 'KMS', 'Vault']).exactOptional(),
      rotation_days: days.exactOptional(),
      forbid_env_for_prod: z.boolean().exactOptional(),
    })
    .exactOptional(),
})

const isChecked = (claim: string): boolean => checkedClaims.includes(claim)

/** A request for a right for a while, as a person or a pipeline writes it. It stands among the principals. */
export interface ElevationRequest {
  readonly principal: string
  /** The scope that is asked for. */
  readonly request: string
  readonly reason: string
  /** The only person who may approve it. */
  readonly approver: string
  readonly ttlSeconds: number
  /** Where the principal is; absent, in every tenant of `auth.tenants`. */
  readonly tenant?: string
  readonly ticket?: string
}

const text = z.string().min(1).max(512)

/** The schema of an elevation request. Refuses wildcards, rights that would last too long, and an approver who is the principal. */
export const ElevationRequest: z.ZodType<ElevationRequest> = z
  .strictObject({
    principal: z.string().regex(/^[!-)+-~]{1,256}$/, 'must be one exact name: visible ASCII without "*"'),
    request: z.string().regex(/^[!#-)+-[\]-~]{1,128}$/, 'must be one scope without "*"'),
    reason: text,
    approver: PersonName,
    ttlSeconds: z
      .int()
      .min(1)
      .max(elevationSecondsMax, `must be at most ${elevationSecondsMax}: no elevation lasts longer`),
    tenant: name.exactOptional(),
    ticket: text.exactOptional(),
  })
  .refine(({ principal, approver }) => !samePerson(principal, approver), {
    path: ['approver'],
    error: 'is the principal; another person must approve',
  })

/** What may stand in the list of principals: who may do what, or a request for more for a while. */
export type PrincipalItem = PrincipalEntry | ElevationRequest

/** One of the two, told apart by what only a request has, so that each is refused in its own words. */
export const PrincipalItem: z.ZodType<PrincipalItem> = z.unknown().transform((value, context): PrincipalItem => {
  const read =
    isJsonObject(value) && 'request' in value ? ElevationRequest.safeParse(value) : PrincipalEntry.safeParse(value)
  if (read.success) return read.data
  for (const issue of read.error.issues) context.addIssue({ ...issue, input: undefined } as never)
  return z.NEVER
})

/** What a principals file holds: one item, or a list of them. Every shape may stand beside every other. */
export const PrincipalsFile: z.ZodType<PrincipalItem | readonly PrincipalItem[]> = z
  .unknown()
  .transform((value, context) => {
    const read = Array.isArray(value)
      ? z.array(PrincipalItem).max(10_000).safeParse(value)
      : PrincipalItem.safeParse(value)
    if (read.success) return read.data
    for (const issue of read.error.issues) context.addIssue({ ...issue, input: undefined } as never)
    return z.NEVER
  })
