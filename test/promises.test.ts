import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { digestOf, promises, rowIn, rowOf, tableFile } from '../scripts/promises.ts'

describe('docs/promises.md', () => {
  const text = readFileSync(tableFile, 'utf8')

  it.each(promises)('says what was shown for the module of $name as it is now', (promised) => {
    expect(rowIn(text, promised)).toBe(rowOf(promised, digestOf(promised)))
  })

  it('has no other rows', () => {
    expect(text.split('\n').filter((line) => line.includes('npm run test:full -- '))).toHaveLength(promises.length)
  })
})

describe('an ordinary test run', () => {
  it.each(promises)('tries at least a twentieth of the full count of $name', ({ test, variable, full }) => {
    const source = readFileSync(new URL(`../${test}`, import.meta.url), 'utf8')
    const sample = Number(new RegExp(`process\\.env\\['${variable}'\\] \\?\\? (\\d+)`).exec(source)?.[1])
    expect(sample).toBeGreaterThanOrEqual(full / 20)
  })
})
