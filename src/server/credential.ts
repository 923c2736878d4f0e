import type { IncomingMessage } from 'node:http'
import type { Credential } from '../call/call.ts'
import { valuesOf } from './host-guard.ts'
import { certThumbOf } from './peer.ts'

/**
 * The credential of a request: one token in one `Authorization` header, never in the query (RFC 6750 §2.1), and with the
 * scheme `DPoP` one proof beside it (RFC 9449 §7.1). Anything else is nobody's. A proof beside the scheme `Bearer` is refused,
 * for it would look as if it had been checked.
 */
export function credentialOf(request: IncomingMessage, address: string): Credential {
  const values = valuesOf(request, 'authorization')
  const [, scheme, token] = (values.length === 1 && /^(Bearer|DPoP) (\S+)$/i.exec(values[0] as string)) || []
  if (scheme === undefined || token === undefined) return { kind: 'none' }
  const proofs = valuesOf(request, 'dpop')
  const certThumb = certThumbOf(request)
  const bearer = { kind: 'bearer', token, ...(certThumb !== undefined && { binding: { certThumb } }) } as const
  if (scheme.toLowerCase() === 'bearer') {
    return proofs.length === 0 ? bearer : unproven('A proof was shown with the scheme Bearer.')
  }
  const [proof, ...more] = proofs
  if (proof === undefined || more.length > 0) return unproven('The scheme DPoP needs one proof.')
  return { ...bearer, dpop: { proof, method: request.method ?? '', url: address } }
}

function unproven(sentence: string): Credential {
  const why = `dpop: ${sentence}`
  return { kind: 'none', refused: { ok: false, code: 'unauthenticated', why, error: 'invalid_dpop_proof' } }
}
