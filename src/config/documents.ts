import { z } from 'zod'
import { PrincipalEntry } from '../identity/directory.ts'

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

/** One principal, or a list of them: what a principals file holds. Both shapes of an entry may stand beside each other. */
export const PrincipalsFile: z.ZodType<PrincipalEntry | readonly PrincipalEntry[]> = z.union([
  PrincipalEntry,
  z.array(PrincipalEntry).max(10_000),
])

/** A request for a right for a while, as a person or a pipeline writes it. */
export interface ElevationRequest {
  readonly principal: string
  /** The scope that is asked for. */
  readonly request: string
  readonly reason: string
  readonly approver: string
  readonly ttlSeconds: number
}

const text = z.string().min(1).max(512)

/** The schema of an elevation request. Refuses wildcards, and rights that would last longer than a day. */
export const ElevationRequest: z.ZodType<ElevationRequest> = z.strictObject({
  principal: text,
  request: z.string().regex(/^[!#-)+-[\]-~]{1,128}$/, 'must be one scope without "*"'),
  reason: text,
  approver: text,
  ttlSeconds: z.int().min(1).max(86_400),
})
