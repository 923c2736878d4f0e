import { describe, expect, it } from 'vitest'
import { ScanLimit } from '../../../src/dlp/meter.ts'
import type { Limits } from '../../../src/dlp/meter.ts'
import { scanner } from '../../../src/dlp/scan.ts'
import type { Json } from '../../../src/ports/json.ts'

const hashKey = () => ({ id: 'k1', key: new Uint8Array(32) })

function nested(depth: number): Json {
  let value: Json = 'leaf'
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

function limitOf(value: Json, limits: Partial<Limits> = {}): string {
  try {
    scanner({ hashKey, limits }).redact(value, { tenant: 't', fields: [] })
    return 'none'
  } catch (error) {
    return error instanceof ScanLimit ? error.limit : String(error)
  }
}

describe('a value beyond a limit is refused', () => {
  it('for its depth', () => {
    expect(limitOf(nested(64))).toBe('none')
    expect(limitOf(nested(65))).toBe('depthMax')
  })

  it('for the depth of JSON inside its strings', () => {
    expect(limitOf(`${'['.repeat(63)}${']'.repeat(63)}`)).toBe('none')
    expect(limitOf(`${'['.repeat(70)}${']'.repeat(70)}`)).toBe('depthMax')
    expect(limitOf(`${'['.repeat(400_000)}${']'.repeat(400_000)}`)).toBe('depthMax')
  })

  it('for its number of nodes', () => expect(limitOf(Array.from({ length: 200_000 }, () => 1))).toBe('nodesMax'))
  it('for the size of one string', () => expect(limitOf('a'.repeat(1_048_577))).toBe('leafSizeMax'))
  it('for its whole size', () =>
    expect(limitOf(Array.from({ length: 9 }, () => 'a'.repeat(1_048_000)))).toBe('totalSizeMax'))
  it('for the work it makes', () => expect(limitOf('a@b.co '.repeat(100), { stepsMax: 2000 })).toBe('stepsMax'))
})
