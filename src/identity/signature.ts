import { compactVerify } from 'jose'
import type { IssuerKey } from '../ports/issuer-keys.ts'
import type { Compact, Why } from './compact.ts'

/**
 * Checks a token's signature with the one key of its issuer that can have made it. The header chooses among that
 * issuer's keys and can add none; an algorithm counts only with a key that was taken in for it (RFC 8725 §3.1). Gives
 * the key that did.
 */
export async function checkSignature(
  token: string,
  compact: Compact,
  keys: readonly IssuerKey[],
): Promise<IssuerKey | Why> {
  if (keys.length === 0) return refused('kid', 'No key of the issuer is at hand: `sluicegate doctor` says why.')
  const fitting = keys.filter(({ alg }) => alg === compact.alg)
  if (fitting.length === 0)
    return refused('alg', 'The algorithm in the token header is not in `algorithms`, or the issuer has no key for it.')
  const chosen = choose(fitting, compact.kid)
  if (!chosen) return refused('kid', 'The token header names no key of its issuer.')
  try {
    await compactVerify(token, chosen.key, { algorithms: [chosen.alg] })
    return chosen
  } catch {
    return refused('signature', 'The signature is not valid.')
  }
}

/** The named key. Without a name in the header, or for an only key without a name, the choice must leave no doubt. */
function choose(keys: readonly IssuerKey[], kid: string | undefined): IssuerKey | undefined {
  const named = keys.find((key) => key.kid !== undefined && key.kid === kid)
  const only = keys.length === 1 ? keys[0] : undefined
  return named ?? (kid === undefined || only?.kid === undefined ? only : undefined)
}

function refused(check: string, message: string): Why {
  return { stage: 'signature', check, message }
}
