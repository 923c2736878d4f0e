import { describe, expect, it } from 'vitest'
import { adminService, type AdminServiceParts } from '../../../src/apps/admin-service.ts'

const problemsOf = (log?: string, tickets?: string, detector?: string) =>
  adminService({
    log: { problem: () => log },
    options: { tickets: { problem: () => tickets }, identity: { issuers: [] } },
    detector: { problem: () => detector },
  } as unknown as AdminServiceParts).problems()

describe('the admin service', () => {
  it('is ready while log, tickets and detector are', () => {
    expect(problemsOf()).toEqual([])
    expect(problemsOf('the disk', undefined, 'the detector')).toEqual(['the disk', 'the detector'])
    expect(problemsOf(undefined, 'the tickets')).toEqual(['the tickets'])
  })
})
