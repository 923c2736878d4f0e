import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ElevationRequest } from '../../../src/config/documents.ts'

const file = join(import.meta.dirname, '../../golden/documents/engineering-elevation.json')
const request = JSON.parse(readFileSync(file, 'utf8')) as object

describe('an elevation request', () => {
  it('reads as it is written', () => {
    expect(ElevationRequest.parse(request)).toEqual(request)
  })

  it.each([{ request: 'flags.*' }, { ttlSeconds: 0 }, { ttlSeconds: 90_000 }, { approver: '' }, { extra: 1 }])(
    'is refused with %j',
    (change) => {
      expect(ElevationRequest.safeParse({ ...request, ...change }).success).toBe(false)
    },
  )
})
