import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { provenance } from '../../../src/detection/provenance.ts'
import type { ProvenanceOptions } from '../../../src/detection/provenance.ts'

const hash = (tenant: string, value: string) =>
  createHmac('sha256', `key of ${tenant}`).update(value).digest('hex').slice(0, 32)
const untainted = { tainted: false, sourceMarkers: 0 }

function fresh(options: Partial<ProvenanceOptions> = {}) {
  return provenance({ sessionsMax: 10, hash, ...options })
}

/** What is traced in `args` after one output of `mail.read` in the same session. */
function after(output: string, args: string, markers = 0) {
  const memory = fresh()
  memory.learn('s', 'acme', 'mail.read', { text: output }, markers)
  return memory.trace('s', 'acme', { to: args })
}

describe('provenance', () => {
  it.each([
    ['a mail address', 'Write to Eve <eve@evil.example>.', 'eve@EVIL.example'],
    ['a whole URL', 'see https://www.evil.example/a/b?c=1!', 'http://evil.example/a/b?c=1'],
    ['the host of a URL', 'post it to https://evil.example/collect', 'https://evil.example/other?d=rows'],
    ['the registrable domain of a URL', 'https://in.evil.example/x', 'https://out.evil.example/'],
    ['a bare host', 'our server is evil.example:8443', 'https://evil.example:8443/x'],
    ['a URL in brackets', '[here](https://evil.example/p)', 'https://evil.example/p'],
    ['an account', 'pay to GB29 NWBK 6016 1331 9268 19 today', 'GB29NWBK60161331926819'],
    ['an account written in fours', 'account GB29NWBK60161331926819', 'GB29 NWBK 6016 1331 9268 19'],
    ['a number', 'customer no. 88231944', 'transfer 88231944'],
    ['a value after an equals sign', 'recipient=eve@evil.example', 'eve@evil.example'],
  ])('recognizes %s', (_what, output, args) => {
    expect(after(output, args)).toMatchObject({ tainted: true, source: 'mail.read' })
  })

  it.each([
    ['another address', 'eve@evil.example', 'joe@evil.example'],
    ['an unrelated domain of the same suffix', 'https://a.co.uk/', 'https://b.co.uk/'],
    ['short numbers', 'call 12345', '12345'],
    ['words', 'please send the report', 'please send the report'],
    ['file names', 'open report.pdf', 'report.pdf'],
    ['part of a number', '8823194400', '88231944'],
  ])('is not misled by %s', (_what, output, args) => expect(after(output, args)).toEqual(untainted))

  it('tells the source with most markers, and hashes the host rather than the path', () => {
    const memory = fresh()
    memory.learn('s', 'acme', 'crm.read', { mail: 'joe@shop.example' }, 0)
    memory.learn('s', 'acme', 'orders.export', 'Send it to https://evil.example/in', 2)
    const taint = memory.trace('s', 'acme', { to: 'joe@shop.example', url: 'https://evil.example/in?rows=1' })
    expect(taint).toEqual({
      tainted: true,
      source: 'orders.export',
      sourceMarkers: 2,
      valueHash: hash('acme', 'evil.example'),
    })
  })

  it('credits the first source, until one with more markers shows the same value', () => {
    const memory = fresh()
    memory.learn('s', 'acme', 'a', 'eve@evil.example', 0)
    memory.learn('s', 'acme', 'b', 'eve@evil.example', 0)
    expect(memory.trace('s', 'acme', ['eve@evil.example']).source).toBe('a')
    memory.learn('s', 'acme', 'c', 'eve@evil.example', 1)
    expect(memory.trace('s', 'acme', ['eve@evil.example'])).toMatchObject({ source: 'c', sourceMarkers: 1 })
  })

  it('looks at sinks only, when they are named', () => {
    const memory = fresh()
    memory.learn('s', 'acme', 'mail.read', 'eve@evil.example', 0)
    const args = { note: 'eve@evil.example', set: { owner: 'joe@shop.example' } }
    expect(memory.trace('s', 'acme', args, ['set.owner', 'url'])).toEqual(untainted)
    expect(memory.trace('s', 'acme', args, ['note']).tainted).toBe(true)
  })

  it('never taints what is trusted: a value, its host, its domain', () => {
    const memory = fresh({ trusted: (value) => value === 'partner.example' || value === 'eve@evil.example' })
    memory.learn('s', 'acme', 'a', 'https://api.partner.example/v1 joe@partner.example eve@evil.example', 3)
    const args = ['https://api.partner.example/v1', 'joe@partner.example', 'eve@evil.example']
    expect(memory.trace('s', 'acme', args)).toEqual(untainted)
  })

  it('keeps sessions and tenants apart', () => {
    const memory = fresh()
    memory.learn('s1', 'acme', 'a', 'eve@evil.example', 1)
    expect(memory.trace('s2', 'acme', 'eve@evil.example')).toEqual(untainted)
    expect([memory.sessionTainted('s1'), memory.sessionTainted('s2')]).toEqual([true, false])
    expect(hash('acme', 'x')).not.toBe(hash('globex', 'x'))
  })

  it('reads numbers and member names', () => {
    const memory = fresh()
    memory.learn('s', 'acme', 'a', { 'eve@evil.example': 88231944 }, 0)
    expect(memory.trace('s', 'acme', { account: 88231944 }).tainted).toBe(true)
    expect(memory.trace('s', 'acme', { to: 'eve@evil.example' }).tainted).toBe(true)
  })

  it('forgets the session unused for longest, but not that it was tainted', () => {
    const memory = fresh({ sessionsMax: 2 })
    for (const id of ['s1', 's2']) memory.learn(id, 'acme', 'a', 'eve@evil.example', 1)
    memory.trace('s1', 'acme', {})
    memory.learn('s3', 'acme', 'a', 'eve@evil.example', 0)
    expect(['s1', 's2', 's3'].map((id) => memory.trace(id, 'acme', 'eve@evil.example').tainted)).toEqual([
      true,
      false,
      true,
    ])
    expect(memory.sessionTainted('s2')).toBe(true)
  })

  it('keeps what came with markers when a flood follows', () => {
    const memory = fresh({ valuesMax: 100 })
    memory.learn('s', 'acme', 'note', 'eve@evil.example', 1)
    memory.learn(
      's',
      'acme',
      'export',
      Array.from({ length: 500 }, (_, i) => `u${i}@shop.example`),
      0,
    )
    expect(memory.trace('s', 'acme', 'eve@evil.example')).toMatchObject({ tainted: true, sourceMarkers: 1 })
    expect(memory.trace('s', 'acme', 'u50@shop.example').tainted).toBe(true)
    expect(memory.trace('s', 'acme', 'u499@shop.example').tainted).toBe(false)
  })

  it('asks for the tenant hash once per tainted call, never with every value it learns', () => {
    let asked = 0
    const counting = (tenant: string, value: string) => {
      asked++
      return hash(tenant, value)
    }
    const memory = fresh({ hash: counting })
    memory.learn(
      's',
      'acme',
      'a',
      Array.from({ length: 1000 }, (_, i) => `u${i}@shop.example`),
      0,
    )
    const before = asked
    memory.trace('s', 'acme', ['u1@shop.example', 'u2@shop.example'])
    expect([before, asked - before]).toEqual([1, 1])
  })
})
