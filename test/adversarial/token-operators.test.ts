import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { tryOperators, type OperatorRow } from '../../scripts/corpora/operators.ts'

const folder = process.env['SLUICEGATE_CORPORA']
const file = folder === undefined ? '' : path.resolve(folder, 'attacks', 'jwt_attack_operators.json')
const here = existsSync(file)
const skipped = here ? '' : ' (skipped: no corpora, set SLUICEGATE_CORPORA)'

describe.skipIf(!here)(`published attacks on freshly minted tokens, in every algorithm${skipped}`, () => {
  it('get nobody in, use no name twice, fetch nothing, and reach no upstream', { timeout: 600_000 }, async () => {
    const { operators } = JSON.parse(readFileSync(file, 'utf8')) as { readonly operators: readonly OperatorRow[] }
    const counts = await tryOperators(operators)
    expect(counts.operators).toBeGreaterThanOrEqual(29)
    expect(counts).toMatchObject({ accepted: [], unknown: [], crashes: [], control: true })
  })
})
