import { describe, expect, it } from 'vitest'
import { approvalProblem, PersonName, samePerson, type GrantRequest } from '../../../src/control/request.ts'

const request: GrantRequest = {
  id: 'gr-1',
  tenant: 'acme',
  principal: 'agent:release',
  onBehalfOf: 'user:ana',
  what: { kind: 'elevation', scopes: ['flags.write:prod'] },
  reason: 'hotfix',
  requestedBy: 'ben',
  state: 'pending',
  askedMs: 0,
  pendingUntilMs: 1,
  ttlMs: 1,
}

describe('who may approve a request', () => {
  it('is another person', () => {
    expect(approvalProblem(request, 'carla')).toBeUndefined()
  })

  it.each(['ben', 'BEN', ' ben ', 'user:ben', 'operator:Ben', 'user: ben', 'user:operator:ben', 'ben.'])(
    'is not who made it, as %j',
    (name) => {
      expect(approvalProblem(request, name)).toMatch(/made the request/)
    },
  )

  it.each(['agent:release', 'release', 'Agent:Release', 'user:ana', 'ana'])('is not who it is for, as %j', (name) => {
    expect(approvalProblem(request, name)).toMatch(/who the request is for/)
  })

  it('is only the named person, where one is named', () => {
    expect(approvalProblem({ ...request, approver: 'dora' }, 'carla')).toBe('only dora may approve this request')
    expect(approvalProblem({ ...request, approver: 'dora' }, 'Dora')).toBeUndefined()
    expect(approvalProblem({ ...request, approver: 'ben' }, 'ben')).toMatch(/made the request/)
  })

  it('is not told apart by blanks', () => {
    expect(samePerson('ana  maria', 'user:Ana Maria')).toBe(true)
    expect(samePerson('ana maria', 'anamaria')).toBe(false)
  })

  it.each(['', ' ', 'а-cyrillic', 'ben\u200b', 'a\nb', 'x'.repeat(129)])('has a plain name, not %j', (name) => {
    expect(PersonName.safeParse(name).success).toBe(false)
  })

  it('is told apart by more than the kind before the colon', () => {
    expect(samePerson('user:ben', 'agent:ben')).toBe(true)
    expect(samePerson('user:ben', 'team:ben')).toBe(false)
  })
})
