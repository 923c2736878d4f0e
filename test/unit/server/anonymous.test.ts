import { describe, expect, it } from 'vitest'
import { anonymousLimit } from '../../../src/server/anonymous.ts'

function limit() {
  const time = { ns: 0n }
  const { waitMs } = anonymousLimit({ nowMs: () => 0, monoNs: () => time.ns })
  const passed = (address: string, count: number) =>
    Array.from({ length: count }, () => waitMs(address)).filter((wait) => wait === 0).length
  return { time, passed, waitMs }
}

describe('the records of anonymous attempts', () => {
  it('are bounded for one address, and others keep theirs', () => {
    const { passed, waitMs } = limit()
    expect(passed('192.0.2.1', 1_000)).toBe(60)
    expect(waitMs('192.0.2.1')).toBeGreaterThan(0)
    expect(passed('192.0.2.2', 10)).toBe(10)
  })

  it('are bounded for all addresses together', () => {
    const { passed } = limit()
    const all = Array.from({ length: 1_000 }, (_, index) => passed(`192.0.2.${index}`, 2))
    expect(all.reduce((sum, count) => sum + count, 0)).toBe(300)
  })

  it('are bounded for one owner of proven tokens, whatever strangers send', () => {
    const { waitMs, waitMsOf } = anonymousLimit({ nowMs: () => 0, monoNs: () => 0n })
    for (let index = 0; index < 1_000; index += 1) waitMs(`192.0.2.${index}`)
    const owner = { tenant: 'acme', issuer: 'urn:one', subject: 'agent:victim' }
    const passed = (who: typeof owner) =>
      Array.from({ length: 100 }, () => waitMsOf(who, 'token_replayed')).filter((wait) => wait === 0)
    expect(passed(owner)).toHaveLength(60)
    expect(passed({ ...owner, tenant: 'globex' })).toHaveLength(60)
  })

  it('come back with time', () => {
    const { time, passed } = limit()
    passed('192.0.2.1', 1_000)
    time.ns += 5_000_000_000n
    expect(passed('192.0.2.1', 1_000)).toBe(5)
  })
})
