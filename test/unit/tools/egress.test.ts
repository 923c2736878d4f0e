import { describe, expect, it } from 'vitest'
import { egressLists, egressProblems } from '../../../src/tools/egress-lists.ts'
import { describeUrl, isListed, judgeUrl } from '../../../src/tools/egress.ts'

const lists = {
  allow: ['api.example.com', '*.vendor.io', '8.8.8.8', '127.0.0.1', 'box.test'],
  hosts: { 'partner.example': 8080 },
}
const open = () => false
const judge = (url: string, blocked: (domain: string) => boolean = open) => judgeUrl(new URL(url), lists, blocked)

describe('the egress rules', () => {
  it.each([
    ['https://api.example.com/x', 'api.example.com'],
    ['https://API.Example.com./x', 'api.example.com'],
    ['http://a.vendor.io/', 'a.vendor.io'],
    ['http://a.b.vendor.io:8080/', 'a.b.vendor.io'],
    ['http://134744072/', '8.8.8.8'],
  ])('allow %s', (url, domain) => {
    expect(judge(url)).toEqual({ kind: 'allowed', domain })
  })

  it.each([
    ['ftp://api.example.com/', 'neither http nor https'],
    ['http://user@api.example.com/', 'user information'],
    ['http://:secret@api.example.com/', 'user information'],
    ['http://example.com/', 'not in egress.allow'],
    ['http://evil-api.example.com/', 'not in egress.allow'],
    ['http://x.api.example.com/', 'not in egress.allow'],
    ['http://api.example.com.evil.io/', 'not in egress.allow'],
    ['http://vendor.io/', 'not in egress.allow'],
    ['http://evilvendor.io/', 'not in egress.allow'],
    ['http://127.0.0.1/', 'loopback'],
    ['http://0x7f.1/', 'loopback'],
    ['http://[::ffff:7f00:1]/', 'loopback'],
    ['http://box.test/', 'special-use'],
    ['http://localhost/', 'not a full domain name'],
    ['http://metadata.google.internal/', 'special-use'],
    ['http://a..b.com/', 'not a full domain name'],
  ])('deny %s', (url, reason) => {
    expect(judge(url)).toMatchObject({ kind: 'denied', reason: expect.stringContaining(reason) as string })
  })

  it('let a switch win over the allow list, and over a development name', () => {
    const blocked = (domain: string) => domain === 'api.example.com' || domain === 'partner.example'
    expect(judge('https://api.example.com/', blocked)).toMatchObject({ kind: 'denied', reason: 'blocked by a switch' })
    expect(judge('http://partner.example/', blocked)).toMatchObject({ kind: 'denied', reason: 'blocked by a switch' })
  })

  it('ask of a development name, too, that it is on the allow list', () => {
    expect(judge('http://partner.example/')).toMatchObject({ kind: 'denied', reason: 'not in egress.allow' })
    const listed = { ...lists, allow: ['partner.example'] }
    expect(judgeUrl(new URL('http://partner.example/'), listed, open).kind).toBe('allowed')
    expect(
      judgeUrl(new URL('http://other.partner.example/'), { ...listed, allow: ['*.partner.example'] }, open).kind,
    ).toBe('denied')
  })
})

describe('a domain', () => {
  it('is listed by its exact name or by a star above it', () => {
    expect(isListed('a.b.io', ['*.b.io'])).toBe(true)
    expect(isListed('b.io', ['*.b.io'])).toBe(false)
    expect(isListed('a.b.io', ['b.io'])).toBe(false)
  })
})

describe('a URL, as policy sees it', () => {
  it.each([
    ['http://169.254.169.254/latest', { hostname: '169.254.169.254', is_link_local: true, is_private: true, port: 80 }],
    ['https://[fe80::1]:8443/', { hostname: 'fe80::1', is_link_local: true, is_private: true, port: 8443 }],
    ['http://10.0.0.1/', { is_link_local: false, is_private: true }],
    ['http://localhost/', { is_link_local: false, is_private: true }],
    [
      'https://api.example.com/a?b',
      { scheme: 'https', path: '/a', port: 443, is_link_local: false, is_private: false },
    ],
  ])('%s', (url, expected) => {
    expect(describeUrl(new URL(url))).toMatchObject(expected)
  })
})

describe('the egress section', () => {
  it('is read in lower case', () => {
    const section = { mode: 'development' as const, allow: ['API.example.com.'], hosts: { 'Partner.Example': 1 } }
    const block = ['Evil.API.example.com', '*.bad.example', 'dot.example.', '8.8.8.8']
    expect(egressLists({ ...section, block })).toEqual({
      allow: ['api.example.com'],
      block: ['evil.api.example.com', 'bad.example', 'dot.example', '8.8.8.8'],
      hosts: { 'partner.example': 1 },
    })
  })

  it('names every problem with its path', () => {
    const allow = ['*', '*.com', 'http://x.com', 'a b', 'ok.example.com', '*.ok.com', '8.8.8.8']
    const problems = egressProblems({ mode: 'production', allow, hosts: { 'x/y': 1 } })
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'egress.allow.0',
      'egress.allow.1',
      'egress.allow.2',
      'egress.allow.3',
      'egress.hosts.x/y',
      'egress.hosts',
    ])
  })

  it('refuses development names in production', () => {
    expect(() => egressLists({ mode: 'production', allow: [], hosts: { 'a.example': 1 } })).toThrow('development only')
  })
})
