import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { attribute, metric, span } from '../../../src/telemetry/names.ts'

const root = join(import.meta.dirname, '../../../src')

describe('telemetry names', () => {
  it('are spelled in one file only', () => {
    const files = readdirSync(join(root, 'telemetry')).filter((name) => name !== 'names.ts').map((name) => join(root, 'telemetry', name)) // prettier-ignore
    const text = [...files, join(root, 'client.ts')].map((file) => readFileSync(file, 'utf8')).join('\n')
    for (const name of [...Object.values(attribute), ...Object.values(metric), ...Object.values(span)])
      expect(text.includes(`'${name}'`), name).toBe(false)
  })

  it('are distinct', () => {
    for (const names of [attribute, metric, span])
      expect(new Set(Object.values(names)).size).toBe(Object.keys(names).length)
  })
})
