import { describe, expect, it } from 'vitest'
import { ephemeralSigner } from '../../../src/adapters/signer-local.ts'
import { leafHash } from '../../../src/evidence/chain.ts'
import {
  checkpointBody,
  checkpointHolds,
  formatNote,
  noteKeyId,
  originOf,
  parseNote,
} from '../../../src/evidence/checkpoint.ts'
import { publicKeyOf } from '../../../src/evidence/signature.ts'

const origin = originOf('test', '01K70000000000000000000001')
const root = leafHash(Buffer.from('a'))
const signer = ephemeralSigner()
const body = checkpointBody({ origin, size: 12, root })

function noteBy(key = signer, text = body, name = origin): string {
  const signature = Buffer.from(key.sign(Buffer.from(text)))
  return formatNote(text, { name, keyId: noteKeyId(name, key.publicKey), signature })
}

const holds = (note: string, key = signer) => {
  const parsed = parseNote(note)
  return parsed !== undefined && checkpointHolds(parsed, key.publicKey, publicKeyOf(key.publicKey))
}

describe('a checkpoint', () => {
  it('has the form of a C2SP note', () => {
    expect(noteBy()).toMatch(
      /^test\/evidence\/01K70000000000000000000001\n12\n[A-Za-z0-9+/]{43}=\n\n\u2014 test\/evidence\/01K70000000000000000000001 [A-Za-z0-9+/]+=*\n$/,
    )
  })

  it('reads back as what was signed', () => {
    expect(parseNote(noteBy())).toMatchObject({ origin, size: 12, root, body, signatures: [{ name: origin }] })
  })

  it('identifies a key as C2SP does', () => {
    // The verifier key PeterNeumann+c74f20a3+… that signed-note's own documentation uses.
    const key = Buffer.from('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'base64').subarray(1)
    expect(noteKeyId('PeterNeumann', key).toString('hex')).toBe('c74f20a3')
  })

  it('holds under its key only', () => {
    expect(holds(noteBy())).toBe(true)
    expect(holds(noteBy(), ephemeralSigner())).toBe(false)
  })

  it.each([
    ['another size', noteBy().replace('\n12\n', '\n13\n')],
    ['another origin', noteBy().replace('test/', 'prod/')],
    ['another root', noteBy().replace(root.toString('base64'), leafHash(Buffer.from('b')).toString('base64'))],
    ['another name', noteBy(signer, body, 'someone')],
  ])('does not hold with %s', (_what, note) => {
    expect(holds(note)).toBe(false)
  })

  it.each([
    ['an extension line', noteBy().replace('\n\n', '\nextension\n\n')],
    ['a leading zero', noteBy().replace('\n12\n', '\n012\n')],
    ['a negative size', noteBy().replace('\n12\n', '\n-1\n')],
    ['an unsafe size', noteBy().replace('\n12\n', '\n9999999999999999\n')],
    ['CRLF', noteBy().replaceAll('\n', '\r\n')],
    ['no final LF', noteBy().slice(0, -1)],
    ['no signature', `${body}\n`],
    ['a hyphen for the dash', noteBy().replace('\u2014', '-')],
    ['a root of other length', noteBy().replace(root.toString('base64'), 'AAAA')],
    ['a truncated signature', `${noteBy().slice(0, -9)}\n`],
    ['17 signatures', noteBy() + noteBy().split('\n\n')[1]?.repeat(16)],
  ])('is refused with %s', (_what, note) => {
    expect(parseNote(note)).toBeUndefined()
  })

  it.each(['', 'a b', 'a+b', 'a\nb', 'ü', '-a'])('cannot be named after deployment %j', (deployment) => {
    expect(() => originOf(deployment, 'stream')).toThrow(RangeError)
  })
})
