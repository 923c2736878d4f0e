import { chmodSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { openKeys } from '../../../src/adapters/keys-file.ts'
import { parseTrust } from '../../../src/evidence/trust.ts'
import { testClock } from '../../support/clock.ts'
import { temporary } from '../../support/evidence.ts'

const private_ = ['admin.token', 'deployment.pem', 'detector.pem', 'digest-2026-11.key', 'history.key', 'session.key']

describe('openKeys', () => {
  it('makes every key, for its owner only, and a trust file that names the public ones', async () => {
    using place = temporary()
    const directory = path.join(place.directory, 'keys')
    const keys = await openKeys(directory, testClock(), 'test')
    expect(readdirSync(directory)).toEqual(private_)
    expect(private_.map((name) => statSync(path.join(directory, name)).mode & 0o777)).toEqual(private_.map(() => 0o600))
    const trust = parseTrust(readFileSync(path.join(place.directory, 'trust.json'), 'utf8'))
    expect(trust.deployment).toBe('test')
    expect(trust.keys.get(keys.deployment.kid)?.use).toBe('deployment')
    expect(trust.keys.get(keys.detector.kid)?.use).toBe('detector')
    expect([...keys.trusted.keys()]).toEqual([keys.deployment.kid])
  })

  it('gives the same keys again, to any number of processes', async () => {
    using place = temporary()
    const directory = path.join(place.directory, 'keys')
    const opened = await Promise.all(Array.from({ length: 4 }, () => openKeys(directory, testClock())))
    const facts = opened.map(({ deployment, detector, sessionKey, historyKey, adminToken, digestKey, trust }) => ({
      kids: [deployment.kid, detector.kid],
      secrets: [sessionKey, historyKey, adminToken],
      digest: digestKey('acme', testClock().nowMs()),
      trust,
    }))
    expect(facts).toEqual(facts.map(() => facts[0]))
  })

  it('keeps older deployment keys in the trust file', async () => {
    using place = temporary()
    const directory = path.join(place.directory, 'keys')
    const before = await openKeys(directory, testClock())
    writeFileSync(path.join(directory, 'deployment.pem'), readFileSync(path.join(directory, 'detector.pem')))
    const after = await openKeys(directory, testClock())
    expect([...after.trusted.keys()]).toEqual([before.deployment.kid, after.deployment.kid])
  })

  it.each(private_)('refuses %s when others may read it, and says how to mend it', async (name) => {
    using place = temporary()
    const directory = path.join(place.directory, 'keys')
    await openKeys(directory, testClock())
    chmodSync(path.join(directory, name), 0o640)
    await expect(openKeys(directory, testClock())).rejects.toThrow(`run "chmod 600 ${path.join(directory, name)}"`)
  })

  it.each([
    ['deployment.pem', 'holds no Ed25519 private key'],
    ['session.key', 'does not hold 64 hex digits'],
    ['../trust.json', 'The trust file is not JSON'],
  ])('refuses %s when it holds something else', async (name, message) => {
    using place = temporary()
    const directory = path.join(place.directory, 'keys')
    await openKeys(directory, testClock())
    writeFileSync(path.join(directory, name), 'rubbish')
    await expect(openKeys(directory, testClock())).rejects.toThrow(message)
  })

  it('refuses the data directory of another deployment', async () => {
    using place = temporary()
    const directory = path.join(place.directory, 'keys')
    await openKeys(directory, testClock(), 'staging')
    await expect(openKeys(directory, testClock(), 'prod')).rejects.toThrow('belongs to deployment "staging"')
  })
})

describe('digestKey', () => {
  it('differs by tenant and by month', async () => {
    using place = temporary()
    const clock = testClock()
    const { digestKey } = await openKeys(path.join(place.directory, 'keys'), clock)
    const november = digestKey('acme', clock.nowMs())
    expect(november.id).toBe('2026-11/acme')
    expect(digestKey('globex', clock.nowMs()).key).not.toEqual(november.key)
    clock.advance(15 * 86_400_000)
    const december = digestKey('acme', clock.nowMs())
    expect(december.id).toBe('2026-12/acme')
    expect(december.key).not.toEqual(november.key)
    expect(existsSync(path.join(place.directory, 'keys', 'digest-2026-12.key'))).toBe(true)
  })

  it('is never made anew for a month that is over', async () => {
    using place = temporary()
    const clock = testClock()
    const { digestKey } = await openKeys(path.join(place.directory, 'keys'), clock)
    expect(() => digestKey('acme', clock.nowMs() - 90 * 86_400_000)).toThrow('digest-2026-08.key is not there')
    expect(existsSync(path.join(place.directory, 'keys', 'digest-2026-08.key'))).toBe(false)
  })
})
