import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { certificateFacts, certificateLimits } from '../../../src/adapters/tls-certificate.ts'
import { judgePair, type PairTexts } from '../../../src/adapters/tls-pair.ts'
import { rehearse } from '../../../src/adapters/tls-rehearsal.ts'
import { authority, ecKeys, edKeys, rsaKeys, type Asked } from '../../support/certificates.ts'

const root = authority('root')
const middle = root.below('middle')
const other = authority('other')
const good = root.issue('gate')

const judge = (texts: PairTexts, use: 'server' | 'client' = 'server') =>
  judgePair(texts, { use, nowMs: Date.now(), limits: certificateLimits })
const why = (texts: PairTexts, use?: 'server' | 'client') => {
  const judged = judge(texts, use)
  return judged.ok ? [] : judged.why
}
const issued = (asked: Asked) => root.issue('gate', asked)

describe('a certificate and its key', () => {
  it('are taken when they belong together and are valid now', () => {
    expect(judge(good)).toMatchObject({ ok: true, facts: { subject: 'gate', issuer: 'root', problems: [], due: [] } })
    expect(why(issued({ key: rsaKeys() }))).toEqual([])
    expect(why(issued({ key: edKeys() }))).toEqual([])
  })

  it.each<readonly [string, () => PairTexts, RegExp]>([
    ['the key of another', () => ({ ...good, key: root.issue('gate').key }), /does not belong/],
    ['a certificate that has expired', () => issued({ fromDays: -20, toDays: -1 }), /expired on/],
    ['a certificate that is not valid yet', () => issued({ fromDays: 1 }), /not valid before/],
    ['a short RSA key', () => issued({ key: rsaKeys(1024) }), /too weak/],
    ['a curve that TLS 1.3 does not sign with', () => issued({ key: ecKeys('secp256k1') }), /too weak/],
    ['a certificate for clients only', () => issued({ use: ['client'] }), /not for a server/],
    ['no certificate', () => ({ ...good, cert: '' }), /no PEM certificate in cert/],
    ['half a certificate', () => ({ ...good, cert: good.cert.slice(0, 300) }), /cut short/],
    ['a certificate that is none', () => ({ ...good, cert: good.cert.replace('\nMII', '\nMIJ') }), /cannot be parsed/],
    ['half a key', () => ({ ...good, key: good.key.slice(0, 80) }), /no PEM key/],
    ['no key', () => ({ ...good, key: '' }), /no PEM key/],
    ['a key with a passphrase', () => ({ ...good, key: encrypted() }), /is encrypted/],
    ['a chain that is none', () => ({ ...good, cert: `${good.cert}${other.cert}` }), /chain is broken/],
    ['a chain with an expired link', () => underExpired(), /Certificate 2 of the chain: It expired/],
    ['a chain without end', () => ({ ...good, cert: good.cert.repeat(11) }), /more than 10/],
    ['another authority', () => ({ ...good, issuedBy: other.cert }), /none of the authorities in issuedBy/],
    ['authorities that are none', () => ({ ...good, ca: good.cert }), /no authority's/],
    ['no authority', () => ({ ...good, ca: 'nothing' }), /no PEM certificate in ca/],
    ['authorities that have expired', () => ({ ...good, ca: authority('old', { toDays: -0.5 }).cert }), /No authority in ca/], // prettier-ignore
  ])('are refused with %s', (_what, texts, sentence) => {
    expect(why(texts()).join(' ')).toMatch(sentence)
  })

  it('are taken from an authority below the one that is named, when the chain is there', () => {
    const deep = middle.issue('gate')
    expect(why({ ...deep, cert: `${deep.cert}${middle.cert}`, issuedBy: root.cert })).toEqual([])
    expect(why({ ...deep, issuedBy: root.cert }).join(' ')).toMatch(/none of the authorities/)
  })

  it('are not taken from an authority that only bears the name', () => {
    expect(why({ ...authority('root').issue('gate'), issuedBy: root.cert }).join(' ')).toMatch(/none of the/)
  })

  it('are told apart by what they are for', () => {
    expect(why(issued({ use: ['server'] }), 'client').join(' ')).toMatch(/not for a client/)
    expect(why(issued({ use: ['client'] }), 'client')).toEqual([])
  })

  it('say everything that is wrong, and nothing of the key', () => {
    const both = issued({ toDays: -0.1, key: rsaKeys(1024) })
    expect(why(both)).toHaveLength(2)
    const secret = good.key.split('\n')[1] as string
    expect(why({ ...good, key: good.key.replace('PRIVATE', 'PUBLIC') }).join(' ')).not.toContain(secret)
  })
})

function encrypted(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
}

function underExpired(): PairTexts {
  const old = root.below('old', { fromDays: -30, toDays: -1 })
  const leaf = old.issue('gate')
  return { ...leaf, cert: `${leaf.cert}${old.cert}` }
}

describe('a certificate', () => {
  const facts = (asked: Asked) => certificateFacts(new X509Certificate(issued(asked).cert), Date.now())

  it('is due when it is older than 90 days, or ends within 14', () => {
    expect(facts({ fromDays: -89, toDays: 15 }).due).toEqual([])
    expect(facts({ fromDays: -91, toDays: 15 }).due).toEqual(['It is 91 days old; renew it every 90 days.'])
    expect(facts({ fromDays: -89, toDays: 13.5 }).due).toEqual(['It expires in 13 days.'])
    expect(facts({ fromDays: -89, toDays: -1 })).toMatchObject({ due: ['It has expired.'], daysLeft: -1, ageDays: 89 })
  })

  it('is one thing at the second it begins and another at the second it ends', () => {
    const certificate = new X509Certificate(good.cert)
    const { notBeforeMs, notAfterMs } = certificateFacts(certificate, Date.now())
    const problems = (nowMs: number) => certificateFacts(certificate, nowMs).problems.length
    expect([notBeforeMs - 1, notBeforeMs, notAfterMs - 1, notAfterMs].map(problems)).toEqual([1, 0, 0, 1])
  })

  it('is judged a problem at a time that is no time', () => {
    expect(certificateFacts(new X509Certificate(good.cert), Number.NaN).problems).toHaveLength(1)
  })
})

describe('a rehearsal', () => {
  it('finds what only a handshake shows', async () => {
    const { cert, key } = issued({ key: edKeys() })
    expect(await rehearse({ cert, key, minVersion: 'TLSv1.3' })).toBeUndefined()
    expect(await rehearse({ cert, key, minVersion: 'TLSv1.3', sigalgs: 'ecdsa_secp384r1_sha384' })).toMatch(/No TLS/)
    expect(await rehearse({ cert, key: good.key, minVersion: 'TLSv1.3' })).toMatch(/No TLS/)
  })
})
