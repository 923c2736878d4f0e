import { describe, expect, it } from 'vitest'
import { corporaFolder, rowsOf } from '../../scripts/corpora/rows.ts'
import { tryTokens, type TokenRow } from '../../scripts/corpora/tokens.ts'

const folder = corporaFolder()
const name = `public JWS test vectors${folder === undefined ? ' (skipped: no corpora, set SLUICEGATE_CORPORA)' : ''}`

describe.skipIf(folder === undefined)(name, () => {
  const tried = tryTokens(folder === undefined ? [] : rowsOf<TokenRow>(folder, 'jwt_vectors'))

  it('never pass when they are forged, malformed or of another algorithm', async () => {
    const { invalid, accepted } = await tried
    expect(invalid).toBeGreaterThan(200)
    expect(accepted).toEqual([])
  })

  it('always pass when they are good', async () => {
    const { valid, refused } = await tried
    expect(valid).toBeGreaterThan(0)
    expect(refused).toEqual([])
  })
})
