import { describe, expect, it } from 'vitest'
import { ephemeralSigner } from '../../../src/adapters/signer-local.ts'
import { canonicalize } from '../../../src/evidence/canonical.ts'
import { pae } from '../../../src/evidence/chain.ts'
import { checkDelegation, delegationType, makeDelegation } from '../../../src/evidence/delegation.ts'
import type { Delegation, Envelope } from '../../../src/evidence/delegation.ts'
import type { JsonObject } from '../../../src/ports/json.ts'

const deployment = ephemeralSigner()
const key = ephemeralSigner()
const trusted = new Map([[deployment.kid, deployment.publicKey]])
const statement: Delegation = {
  v: 1,
  kid: key.kid,
  pub: Buffer.from(key.publicKey).toString('base64'),
  stream: '01K70000000000000000000001',
  notBefore: 1,
  notAfter: 2,
  purpose: 'record',
}

/** An envelope over any payload, properly signed. */
function envelopeOf(payload: string, type = delegationType): Envelope {
  const sig = Buffer.from(deployment.sign(pae(delegationType, Buffer.from(payload)))).toString('base64')
  return {
    payloadType: type,
    payload: Buffer.from(payload).toString('base64'),
    signatures: [{ keyid: deployment.kid, sig }],
  }
}

const jcs = (value: object) => canonicalize(value as JsonObject)

describe('a delegation', () => {
  it('says what the deployment key signed', async () => {
    const check = checkDelegation(await makeDelegation(statement, deployment), trusted)
    expect(check).toEqual({
      kind: 'ok',
      statement,
      publicKey: Buffer.from(key.publicKey),
      signedBy: deployment.kid,
    })
  })

  it('waits for a signer that promises', async () => {
    const remote = { ...deployment, sign: async (bytes: Uint8Array) => deployment.sign(bytes) }
    expect(await makeDelegation(statement, remote)).toEqual(await makeDelegation(statement, deployment))
  })

  it.each([
    ['by a key nobody trusts', new Map(), envelopeOf(jcs(statement)), 'untrusted-key'],
    [
      'by another key under a trusted id',
      new Map([[deployment.kid, key.publicKey]]),
      envelopeOf(jcs(statement)),
      'bad-signature',
    ],
    [
      'that was changed',
      trusted,
      { ...envelopeOf(jcs(statement)), payload: envelopeOf(jcs({ ...statement, notAfter: 9 })).payload },
      'bad-signature',
    ],
    ['of a key under another id', trusted, envelopeOf(jcs({ ...statement, kid: deployment.kid })), 'kid-mismatch'],
    ['of a key that is too short', trusted, envelopeOf(jcs({ ...statement, pub: 'AAAA' })), 'kid-mismatch'],
    ['of another payload type', trusted, envelopeOf(jcs(statement), 'application/json'), 'malformed'],
    ['in another byte form', trusted, envelopeOf(JSON.stringify(statement, null, 1)), 'malformed'],
    ['with an unknown member', trusted, envelopeOf(jcs({ ...statement, extra: 1 })), 'malformed'],
    ['for an unknown purpose', trusted, envelopeOf(jcs({ ...statement, purpose: 'anything' })), 'malformed'],
    ['that is not JSON', trusted, envelopeOf('not JSON'), 'malformed'],
    ['with unpadded base64', trusted, { ...envelopeOf(jcs(statement)), payload: 'YQ' }, 'malformed'],
    ['without signatures', trusted, { ...envelopeOf(jcs(statement)), signatures: [] }, 'malformed'],
    ['that is nothing', trusted, undefined, 'malformed'],
  ] as const)('is refused %s', (_what, keys, envelope, why) => {
    expect(checkDelegation(envelope, keys as ReadonlyMap<string, Uint8Array>)).toEqual({ kind: 'bad', why })
  })
})
