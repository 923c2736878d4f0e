import { describe, expect, it } from 'vitest'
import { ElevationRequest } from '../../../src/config/documents.ts'

const request = {
  principal: 'agent:release',
  request: 'flags.write:prod',
  reason: 'hotfix-1234',
  approver: 'oncall-sre',
  ttlSeconds: 900,
}

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
