import { describe, expect, it } from 'vitest'
import {
  formatCheckpointLine,
  formatRecordLine,
  genesisPrev,
  leafHash,
  lineBytesMax,
  lineHash,
  nodeHash,
  pae,
  parseLine,
  recordBytesMax,
  seal,
} from '../../../src/evidence/chain.ts'
import type { Position } from '../../../src/evidence/chain.ts'
import { EvidenceRecord } from '../../../src/evidence/record.ts'

const position: Position = {
  stream: '01K70000000000000000000001',
  seq: 3,
  prev: 'a'.repeat(64),
  tsMs: 1_700_000_000_000,
  wallMs: 1_700_000_000_000,
  monoNs: '42',
  boot: 'b'.repeat(32),
}
const signature = Buffer.alloc(64, 7)
const line = (text: string, sig = signature.toString('base64')) => Buffer.from(`${text}\t${sig}`)

describe('the hashes', () => {
  it('are those of RFC 6962', () => {
    // Certificate Transparency's own vectors: an empty leaf, and the node over two leaves.
    expect(leafHash(Buffer.alloc(0)).toString('hex')).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    )
    expect(nodeHash(leafHash(Buffer.alloc(0)), leafHash(Buffer.of(0))).toString('hex')).toBe(
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    )
  })

  it('name a line without its LF', () => {
    expect(lineHash('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})

describe('pae', () => {
  it('is that of DSSE', () => {
    expect(pae('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe(
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
    )
  })

  it('counts bytes, not characters', () => {
    expect(pae('ü', Buffer.from('é')).toString()).toBe('DSSEv1 2 ü 2 é')
  })
})

describe('seal', () => {
  it('gives an entry its place, in canonical form', () => {
    const { text, bytes, leaf } = seal({ type: 'stream.close' }, position)
    expect(text).toBe(
      `{"boot":"${'b'.repeat(32)}","monoNs":"42","prev":"${'a'.repeat(64)}","seq":3,"stream":"01K70000000000000000000001","tsMs":1700000000000,"type":"stream.close","v":1,"wallMs":1700000000000}`,
    )
    expect(bytes.toString()).toBe(text)
    expect(leaf).toEqual(leafHash(bytes))
    expect(EvidenceRecord.parse(JSON.parse(text)).seq).toBe(3)
  })

  it('never lets an entry choose its place', () => {
    const entry = { type: 'stream.close', seq: 99, v: 2, prev: genesisPrev } as const
    expect(JSON.parse(seal(entry, position).text)).toMatchObject({ seq: 3, v: 1, prev: position.prev })
  })

  it('refuses a record that is one byte too large, and takes the largest', () => {
    const empty = seal({ type: 'alert', ext: { text: '' } }, position).bytes.length
    const room = recordBytesMax - empty
    expect(seal({ type: 'alert', ext: { text: 'x'.repeat(room) } }, position).bytes.length).toBe(recordBytesMax)
    expect(() => seal({ type: 'alert', ext: { text: 'x'.repeat(room + 1) } }, position)).toThrow(RangeError)
  })
})

describe('parseLine', () => {
  it('takes apart what formatRecordLine wrote', () => {
    const written = formatRecordLine('{"a":"ü"}', signature)
    const parsed = parseLine(Buffer.from(written.slice(0, -1)))
    expect(written.endsWith('\n')).toBe(true)
    expect(parsed).toMatchObject({ kind: 'record', text: '{"a":"ü"}', signature })
  })

  it('takes a record without a signature', () => {
    expect(parseLine(Buffer.from(formatRecordLine('{}').slice(0, -1)))).toMatchObject({
      kind: 'record',
      signature: Buffer.alloc(0),
    })
  })

  it('takes apart what formatCheckpointLine wrote', () => {
    const note = 'origin\n1\nroot\n\n— name signature\n'
    expect(parseLine(Buffer.from(formatCheckpointLine(note).slice(0, -1)))).toEqual({ kind: 'checkpoint', note })
  })

  it.each([
    ['no TAB', Buffer.from('{"a":1}'), 'no-signature-field'],
    ['nothing', Buffer.alloc(0), 'no-signature-field'],
    ['overlong UTF-8', line('\u0000').fill(0xc0, 0, 1), 'not-utf8'],
    ['base64url in a signature', line('{}', signature.toString('base64url')), 'signature-encoding'],
    ['a signature of 63 bytes', line('{}', Buffer.alloc(63).toString('base64')), 'signature-encoding'],
    ['a signature of 65 bytes', line('{}', Buffer.alloc(65).toString('base64')), 'signature-encoding'],
    ['set padding bits', line('{}', `${signature.toString('base64').slice(0, -3)}d==`), 'signature-encoding'],
    ['missing padding', line('{}', signature.toString('base64').slice(0, -2)), 'signature-encoding'],
    ['white space after the signature', line('{}', `${signature.toString('base64')}\r`), 'signature-encoding'],
    ['a second field', line('{}', `${signature.toString('base64')}\tx`), 'signature-encoding'],
    ['padded base64 in a checkpoint', Buffer.from(`C\t${Buffer.from('a').toString('base64')}`), 'checkpoint-encoding'],
    ['no UTF-8 in a checkpoint', Buffer.from('C\t_w'), 'checkpoint-encoding'],
    ['more bytes than any line', Buffer.alloc(lineBytesMax + 1, 0x61), 'line-too-long'],
  ])('refuses %s', (_what, bytes, why) => {
    expect(parseLine(bytes)).toEqual({ kind: 'malformed', why })
  })

  it('keeps a byte order mark, for whoever judges the JSON to refuse', () => {
    expect(parseLine(line('\ufeff{}'))).toMatchObject({ kind: 'record', text: '\ufeff{}' })
  })
})
