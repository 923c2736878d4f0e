import { createPublicKey, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import nacl from 'tweetnacl'
import { soundPoint as ourSoundPoint } from '../../src/evidence/point.ts'
import {
  openssl,
  signatureHolds,
  soundPoint,
  tweetnacl,
  verifyPath,
  verifyStream,
  readTrust,
} from '../../verifier/verify.mjs'
import type { Engine } from '../../verifier/verify.mjs'
import { buildStream, joined, segmentName, testKey, trustJson, writeData } from '../support/log-mutator.ts'

const engines = { openssl, tweetnacl: tweetnacl(nacl) }
const key = testKey('record')
const message = Buffer.from('a record')
const signature = key.sign(message)
const order = 2n ** 252n + 27742317777372353535851937790883648493n
const smallOrder = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]
const notCanonical = [
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]

describe.each(Object.entries(engines))('a signature, as %s sees it', (_name, engine) => {
  const holds = (pub: Buffer, text: Buffer, sig: Buffer) => signatureHolds([engine], pub, text, sig)

  it('holds for the key, the message and nothing else', () => {
    expect(holds(key.raw, message, signature)).toBe(true)
    expect(holds(testKey('other').raw, message, signature)).toBe(false)
    expect(holds(key.raw, Buffer.from('another'), signature)).toBe(false)
    expect(holds(key.raw, message, Buffer.from(signature).fill(0, 40, 41))).toBe(false)
  })

  it('is refused with S + L', () => {
    expect(holds(key.raw, message, malleated(signature))).toBe(false)
  })

  it('is refused at any length but 64', () => {
    expect(holds(key.raw, message, signature.subarray(0, 63))).toBe(false)
    expect(holds(key.raw, message, Buffer.concat([signature, Buffer.of(0)]))).toBe(false)
  })

  it.each(smallOrder)('is refused under the small-order key %s', (hex) => {
    for (const sign of [0, 0x80]) {
      const weak = Buffer.from(hex, 'hex')
      weak[31] = (weak[31] as number) | sign
      // R = identity, S = 0 fits any message under the identity key.
      const forged = Buffer.concat([Buffer.from(smallOrder[1] as string, 'hex'), Buffer.alloc(32)])
      expect(holds(weak, message, forged)).toBe(false)
    }
  })
})

describe('tweetnacl without its wrapper', () => {
  it('accepts S + L and a forgery under the identity key: the reason for the wrapper', () => {
    const raw = engines.tweetnacl
    const identity = Buffer.from(smallOrder[1] as string, 'hex')
    expect(raw(key.raw, message, malleated(signature))).toBe(true)
    expect(raw(identity, message, Buffer.concat([identity, Buffer.alloc(32)]))).toBe(true)
  })
})

describe('a point', () => {
  it.each([...smallOrder, ...notCanonical])('%s is refused by both verifiers, with either sign', (hex) => {
    for (const sign of [0, 0x80]) {
      const bytes = Buffer.from(hex, 'hex')
      bytes[31] = (bytes[31] as number) | sign
      expect(soundPoint(bytes)).toBe(false)
      expect(ourSoundPoint(bytes)).toBe(false)
    }
  })

  it('of a real key is accepted by both', () => {
    for (let index = 0; index < 50; index += 1) {
      const { raw } = testKey(`key ${index}`)
      expect([soundPoint(raw), ourSoundPoint(raw)]).toEqual([true, true])
    }
  })
})

describe('a log', () => {
  const stream = buildStream({ records: 3 })
  const judged = (used: readonly Engine[], lines = stream.lines) =>
    verifyStream({
      stream: stream.id,
      segments: [{ name: segmentName(1), number: 1, bytes: joined(lines) }],
      trust: readTrust(trustJson()),
      engines: used,
    }).problems

  it('is verified by tweetnacl alone, without asking node:crypto', () => {
    expect(judged([engines.tweetnacl])).toEqual([])
    const tampered = stream.lines.with(
      2,
      (stream.lines[2] as string).replace('"acme"', '"evil"').replace('"globex"', '"evil"'),
    )
    expect(judged([engines.tweetnacl], tampered)[0]).toMatchObject({ code: 'BAD_RECORD_SIG', seq: 1 })
  })

  it('is reported when the two implementations disagree', () => {
    expect(judged([openssl, () => false])[0]).toMatchObject({ code: 'VERIFIER_DISAGREEMENT' })
  })

  it('is cross-checked on disk', () => {
    const data = writeData([{ id: stream.id, segments: [stream.lines] }])
    expect(verifyPath(data, { engines: [openssl, engines.tweetnacl] })).toMatchObject({ ok: true, records: 5 })
  })
})

/** The same signature with the group's order added to S: a second spelling (RFC 8032 §5.1.7 refuses it). */
function malleated(sig: Buffer): Buffer {
  const s = BigInt(`0x${Buffer.from(sig.subarray(32).toReversed()).toString('hex')}`) + order
  const other = Buffer.from(Buffer.from(s.toString(16).padStart(64, '0'), 'hex').toReversed())
  return Buffer.concat([sig.subarray(0, 32), other])
}

describe('node:crypto', () => {
  it('refuses S + L by itself', () => {
    const publicKey = createPublicKey(key.privateKey)
    expect(verify(null, message, publicKey, signature)).toBe(true)
    expect(verify(null, message, publicKey, malleated(signature))).toBe(false)
  })
})
