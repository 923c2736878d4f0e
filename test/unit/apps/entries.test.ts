import { describe, expect, it } from 'vitest'
import { enforcedEntry, grantEntry, ticketEntry } from '../../../src/apps/entries.ts'
import { outputCheck } from '../../../src/apps/output-check.ts'
import { aTool, received, someone } from '../../support/calls.ts'

describe('what the gateway writes down of its own', () => {
  it('says of a new grant what it opens', () => {
    const who = { ...someone, outsideAllow: ['flags.write:prod', 'old.scope'], ttlSec: 600, expMs: 5 }
    const entry = grantEntry(who, ['tool.use', 'flags.write:prod'], [aTool(), aTool()])
    expect(entry).toMatchObject({
      type: 'grant.issue',
      tenant: 'acme',
      actor: { id: 'agent:test' },
      grants: [
        { scope: 'tool.use', exp: 5 },
        { scope: 'flags.write:prod', exp: 5 },
      ],
      ext: {
        change: 'added',
        issuedBy: 'issuer',
        outsideAllow: ['flags.write:prod'],
        opensProdWrite: ['flags.write:prod'],
        toolsCount: { 'tool.use': 2, 'flags.write:prod': 0 },
        ttlSec: 600,
      },
    })
  })

  it.each([
    ['flags.write:prod', true],
    ['orders.write:production', true],
    ['flags.write:staging', false],
    ['flags.read:prod', false],
    ['rewrite:prod', false],
    ['flags.write:product', false],
  ])('knows whether %s opens a write in prod', (scope, opens) => {
    const { ext } = grantEntry(someone, [scope], [])
    expect(ext?.['opensProdWrite']).toEqual(opens ? [scope] : [])
  })

  it('says that the gateway issued a grant itself', () => {
    expect(grantEntry({ ...someone, selfIssued: true }, ['x'], []).ext).toMatchObject({ issuedBy: 'gateway' })
  })

  it('names a ticket with its subject, and a switch with the tool it stopped, safely', () => {
    expect(ticketEntry(someone, 'CHG-1')).toMatchObject({
      ext: { ticket: 'CHG-1', state: 'approved', subject: 'agent:test' },
    })
    const halted = { switchId: 'sw', kind: 'tool', target: 'x', code: 'quarantined' as const, message: '' }
    const entry = enforcedEntry(halted, { ...received({ toolName: 'évil\ntool' }), who: someone })
    expect(entry).toMatchObject({
      type: 'switch.enforced',
      tool: { name: '_OTHER' },
      ext: { switchId: 'sw', code: 'quarantined' },
    })
  })
})

describe('the check of results', () => {
  const outputSchema = {
    type: 'object',
    properties: { n: { type: 'number' } },
    required: ['n'],
    additionalProperties: false,
  }
  const { definition } = aTool()
  const fits = outputCheck([
    aTool({ definition: { ...definition, outputSchema } }),
    aTool({ definition: { ...definition, name: 'free' } }),
  ])

  it('holds a tool to its own word, and leaves one that gave none', () => {
    expect(fits('test.tool', { n: 1 })).toBe(true)
    expect(fits('test.tool', { n: '1' })).toBe(false)
    expect(fits('test.tool', { n: 1, more: true })).toBe(false)
    expect(fits('free', { anything: 1 })).toBe(true)
    expect(outputSchema).toEqual({
      type: 'object',
      properties: { n: { type: 'number' } },
      required: ['n'],
      additionalProperties: false,
    })
  })
})
