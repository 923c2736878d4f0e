import { describe, expect, it } from 'vitest'
import { coversSession, sessionKey, type SessionOf } from '../../../src/identity/session.ts'

const key = Buffer.alloc(32, 7)
const base: SessionOf = { tenant: 'acme', issuer: 'urn:i', subject: 'agent:copilot' }
const of = (more: Partial<SessionOf> = {}) => sessionKey(key, { ...base, ...more })

describe('a session key', () => {
  it('takes the first present of sid, thumbprint, process, nothing', () => {
    const all = { sid: 'S', thumb: 'T', processId: 'P' }
    const { sid: _sid, ...noSid } = all
    const { thumb: _thumb, ...noThumb } = noSid
    const letters = [all, noSid, noThumb, {}].map((more) => of(more)[13])
    expect(letters).toEqual(['s', 'c', 'p', 'n'])
    expect(of(all)).toMatch(/^[0-9a-f]{12}-s[0-9a-f]{12}$/)
    expect(of(all)).toBe(of({ sid: 'S' }))
  })

  it('differs by tenant, issuer, subject and secret, and tells none of them', () => {
    const keys = [
      of(),
      of({ tenant: 'globex' }),
      of({ issuer: 'urn:j' }),
      of({ subject: 'agent:x' }),
      sessionKey(Buffer.alloc(32, 8), base),
    ]
    expect(new Set(keys.map((text) => text.slice(0, 12))).size).toBe(5)
    expect(of({ tenant: 'a', subject: 'b' })).not.toBe(of({ tenant: 'a","b', subject: '' }))
  })
})

describe('a switch on a session', () => {
  it('covers only itself where the issuer or a process tells sessions apart', () => {
    expect(coversSession(of({ sid: '1' }), of({ sid: '1' }))).toBe(true)
    expect(coversSession(of({ sid: '1' }), of({ sid: '2' }))).toBe(false)
    expect(coversSession(of({ processId: '1' }), of({ processId: '2' }))).toBe(false)
    expect(coversSession(of(), of({ sid: '1' }))).toBe(false)
  })

  it('covers the caller with another certificate or key, and with none: those are the agent’s to choose', () => {
    for (const other of [{ thumb: '2' }, {}]) {
      expect(coversSession(of({ thumb: '1' }), of(other))).toBe(true)
      expect(coversSession(of(other), of({ thumb: '1' }))).toBe(true)
    }
    expect(coversSession(of({ thumb: '1' }), of({ sid: '1' }))).toBe(false)
    expect(coversSession(of({ thumb: '1' }), of({ thumb: '1', subject: 'agent:other' }))).toBe(false)
  })

  it('never covers another caller, nor anything that is no session key', () => {
    expect(coversSession(of(), of({ subject: 'agent:other' }))).toBe(false)
    expect(coversSession('nonsense', of())).toBe(false)
    expect(coversSession(`${of().slice(0, 12)}-n`, of())).toBe(false)
  })
})
