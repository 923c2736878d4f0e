import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { issuerKeysFile } from '../../../src/adapters/issuer-keys-file.ts'
import { verifier } from '../../../src/identity/token.ts'
import { testClock } from '../../support/clock.ts'
import { goodClaims, goodHeader, mint, signed, testAudience, testIssuer, type Mint } from '../../support/tokens.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluicegate-keys-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const jwks = (...mints: readonly Mint[]) =>
  JSON.stringify({
    keys: mints.map(({ publicKey, kid, alg }) => ({ ...publicKey.export({ format: 'jwk' }), kid, alg })),
  })

async function bench(name: string) {
  const clock = testClock()
  const file = path.join(folder, name)
  const [old, next] = [mint('ES256', 'old'), mint('ES256', 'next')]
  writeFileSync(file, jwks(old))
  const faults: unknown[] = []
  const keys = await issuerKeysFile({ file, algorithms: ['ES256'], clock, fault: (error) => faults.push(error) })
  const { verify } = verifier({
    issuers: [{ issuer: testIssuer, keys }],
    audience: testAudience,
    clock,
    cacheMax: 10,
  })
  const accepts = async (by: Mint) => (await verify(signed(by, goodHeader(by), goodClaims(clock)))).ok
  const kept = signed(old, goodHeader(old), goodClaims(clock))
  return { keys, clock, file, old, next, faults, accepts, stillAccepts: async () => (await verify(kept)).ok }
}

describe('issuer keys in a file', () => {
  it('follow the file within a second: a new key counts, a withdrawn one does not, also for tokens seen before', async () => {
    const { clock, file, old, next, accepts, stillAccepts } = await bench('rotated.json')
    expect([await accepts(old), await accepts(next), await stillAccepts()]).toEqual([true, false, true])
    writeFileSync(file, jwks(next))
    clock.advance(1000)
    expect([await accepts(old), await accepts(next), await stillAccepts()]).toEqual([false, true, false])
  })

  it('stay as they were when the file cannot be used, which is told once', async () => {
    const { keys, clock, file, old, faults, accepts } = await bench('broken.json')
    writeFileSync(file, '{"keys":[')
    for (let n = 0; n < 3; n++) {
      clock.advance(1000)
      expect(await accepts(old)).toBe(true)
    }
    expect(faults).toHaveLength(1)
    expect(String(faults[0])).toMatch(/broken\.json cannot be used/)
    expect(keys.trouble?.()).toMatchObject({ why: expect.stringContaining('broken.json') as string, inForce: true })
  })

  it('are none once the file is gone, which is told once, and are back with it', async () => {
    const { keys, clock, file, old, faults, accepts, stillAccepts } = await bench('gone.json')
    expect(await stillAccepts()).toBe(true)
    rmSync(file)
    for (let n = 0; n < 3; n++) {
      clock.advance(1000)
      expect([await accepts(old), await stillAccepts()]).toEqual([false, false])
    }
    expect(faults.map(String)).toEqual([expect.stringMatching(/gone\.json cannot be read/)])
    expect(keys.trouble?.()?.inForce).toBe(false)
    writeFileSync(file, jwks(old))
    clock.advance(1000)
    expect(await accepts(old)).toBe(true)
    expect(keys.trouble?.()).toBeUndefined()
  })

  it('are looked at again by whoever asks what is wrong with them', async () => {
    const { keys, clock, file } = await bench('asked.json')
    rmSync(file)
    clock.advance(1000)
    await vi.waitFor(() => expect(keys.trouble?.()?.inForce).toBe(false), 10_000)
  })

  it('are refused at the start when the file is missing or holds none', async () => {
    const options = { algorithms: ['ES256'], clock: testClock(), fault: () => undefined } as const
    await expect(issuerKeysFile({ ...options, file: path.join(folder, 'none') })).rejects.toThrow(/cannot be read/)
    const file = path.join(folder, 'empty.json')
    writeFileSync(file, '{"keys":[]}')
    await expect(issuerKeysFile({ ...options, file })).rejects.toThrow(/key set/)
  })
})
