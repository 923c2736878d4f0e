import { isWhy } from '../../src/identity/compact.ts'
import { KeySetError, keySet } from '../../src/identity/keyset.ts'
import { signatureStage } from '../../src/identity/token.ts'
import { algorithms } from '../../src/ports/issuer-keys.ts'

/** A token, the key it is shown with, and what a strict gateway does with it. */
export interface TokenRow {
  readonly id: string
  readonly jwk: { readonly [name: string]: unknown; readonly keys?: readonly object[] }
  readonly jws: string
  readonly gateway: string
  /** Present where the suite contradicts itself. */
  readonly label_suspect?: unknown
}

export interface TokenCounts {
  readonly invalid: number
  readonly accepted: readonly string[]
  readonly valid: number
  readonly refused: readonly string[]
}

/** Tries every vector whose label can be trusted. The vectors carry no claims: past the signature stage is accepted. */
export async function tryTokens(all: readonly TokenRow[]): Promise<TokenCounts> {
  const rows = all.filter(({ id, label_suspect }) => label_suspect === undefined && !id.startsWith('cookbook-jws/4_1'))
  const invalid = rows.filter((row) => !isGood(row))
  const valid = rows.filter(isGood)
  const accepted: string[] = []
  const refused: string[] = []
  for (const row of invalid) if (await passes(row)) accepted.push(row.id)
  for (const row of valid) if (!(await passes(row))) refused.push(row.id)
  return { invalid: invalid.length, accepted, valid: valid.length, refused }
}

const isGood = ({ gateway }: TokenRow): boolean => gateway.startsWith('signature ok')

async function passes({ jwk, jws }: TokenRow): Promise<boolean> {
  try {
    return !isWhy(await signatureStage(jws, keySet(jwk.keys ? jwk : { keys: [jwk] }, algorithms)))
  } catch (error) {
    if (error instanceof KeySetError) return false
    throw error
  }
}
