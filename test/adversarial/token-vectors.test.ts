import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { isWhy } from '../../src/identity/compact.ts'
import { KeySetError, keySet } from '../../src/identity/keyset.ts'
import { signatureStage } from '../../src/identity/token.ts'
import { algorithms } from '../../src/ports/issuer-keys.ts'

interface Vector {
  readonly id: string
  readonly jwk: { readonly keys?: readonly object[] }
  readonly jws: string
  readonly result: 'valid' | 'invalid'
  readonly gateway: string
  readonly label_suspect?: boolean
}

const folder = process.env['SLUICEGATE_CORPORA']
const file = folder === undefined ? '' : path.resolve(folder, 'attacks', 'jwt_vectors.jsonl')
const here = existsSync(file)
const name = here ? 'public JWS test vectors' : 'public JWS test vectors (skipped: no corpora, set SLUICEGATE_CORPORA)'

/** True when the form and the signature are good under the row's key: only claims could still refuse the token. */
async function accepted({ jwk, jws }: Vector): Promise<boolean> {
  try {
    const keys = keySet(jwk.keys ? jwk : { keys: [jwk] }, algorithms)
    return !isWhy(await signatureStage(jws, keys))
  } catch (error) {
    if (error instanceof KeySetError) return false
    throw error
  }
}

describe.skipIf(!here)(name, () => {
  const rows = (here ? readFileSync(file, 'utf8') : '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Vector)
    .filter(({ id, label_suspect }) => label_suspect !== true && !id.startsWith('cookbook-jws/4_1'))

  it('never pass when they are forged, malformed or of another algorithm', async () => {
    const mustFail = rows.filter(({ gateway }) => gateway.startsWith('reject'))
    const passed: string[] = []
    for (const row of mustFail) if (await accepted(row)) passed.push(row.id)
    expect(mustFail.length).toBeGreaterThan(200)
    expect(passed).toEqual([])
  })

  it('always pass when they are good', async () => {
    const mustPass = rows.filter(({ gateway }) => gateway.startsWith('signature ok'))
    const refused: string[] = []
    for (const row of mustPass) if (!(await accepted(row))) refused.push(row.id)
    expect(mustPass).toHaveLength(10)
    expect(refused).toEqual([])
  })
})
