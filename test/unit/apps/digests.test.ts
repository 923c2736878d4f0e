import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openKeys } from '../../../src/adapters/keys-file.ts'
import { digests, type Digests } from '../../../src/apps/digests.ts'
import { testClock } from '../../support/clock.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluicegate-digests-'))
let made: Digests
beforeAll(async () => {
  const clock = testClock()
  made = digests(await openKeys(join(directory, 'keys'), clock), clock)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const email = 'ana@private.example'

describe('a digest', () => {
  it('is the same for the same meaning, whatever the order of the fields', () => {
    expect(made.keyed('acme', { a: 1, b: [2] })).toEqual(made.keyed('acme', { b: [2], a: 1 }))
    expect(made.plain('acme', { a: 1, b: 2 })).toBe(made.plain('acme', { b: 2, a: 1 }))
  })

  it('of one tenant says nothing of another’s', () => {
    for (const of of ['keyed', 'plain', 'lasting'] as const)
      expect(made[of]('acme', email)).not.toEqual(made[of]('globex', email))
    expect(made.tenantKey('acme')).not.toEqual(made.tenantKey('globex'))
  })

  it('of one purpose is no digest of another', () => {
    const all = [made.keyed('acme', email).digest, made.plain('acme', email), made.lasting('acme', email)]
    expect(new Set(all.map((digest) => digest.slice(0, 32))).size).toBe(3)
  })

  it('names the key of its tenant and month, and the size of what it stands for', () => {
    expect(made.keyed('acme', { a: 'é' })).toMatchObject({ alg: 'hmac-sha256', keyId: '2026-11/acme', sizeBytes: 10 })
  })

  it('keeps a tenant’s name from reaching into its value', () => {
    expect(made.plain('a', 'b\0c')).not.toBe(made.plain('a\0b', 'c'))
  })
})
