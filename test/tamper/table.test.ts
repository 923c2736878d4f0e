import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/ports/json.ts'
import type { Bend, BuiltStream } from '../support/log-mutator.ts'
import {
  buildStream,
  deploymentKey,
  joined,
  signedNote,
  startMs,
  streamName,
  testKey,
  trustJson,
} from '../support/log-mutator.ts'
import type { Judged, Verdict } from '../support/verdicts.ts'
import { ourVerdict, placeOf, theirVerdict } from '../support/verdicts.ts'

const size = 6

/** Both verdicts, which must name the same place; ours is given. */
function verdict(lines: readonly string[] | readonly (readonly string[])[], more: Partial<Judged> = {}): Verdict {
  const segments = (typeof lines[0] === 'string' ? [lines] : lines) as readonly (readonly string[])[]
  const judged = { stream: streamName(1), segments: segments.map(joined), ...more }
  const ours = ourVerdict(judged)
  expect(placeOf(theirVerdict(judged))).toEqual(placeOf(ours))
  return ours
}

/** The codes of both verifiers, which must be the same one. */
function bothSay(lines: readonly string[], more: Partial<Judged> = {}): string | undefined {
  const judged = { stream: streamName(1), segments: [joined(lines)], ...more }
  const ours = verdict(lines, more)
  expect(theirVerdict(judged).code).toBe(ours.code)
  return ours.code
}

const honest = buildStream({ records: size, batch: 2 })
/** Genesis, checkpoint, then two records and a checkpoint three times, then close and checkpoint. */
const [genesis, , first, second, checkpoint] = honest.lines as [string, string, string, string, string]
const without = (...indexes: readonly number[]) => honest.lines.filter((_, index) => !indexes.includes(index))
const bent = (bend: Bend): BuiltStream => buildStream({ records: size, batch: 2, ...bend })
const edit = (seq: number, change: (record: JsonObject) => JsonObject): Bend => ({
  bendRecord: (record, at) => (at === seq ? change(record) : record),
})

describe('an honest stream', () => {
  it('is intact', () => expect(verdict(honest.lines).exit).toBe(0))

  it('is intact in checkpoint mode', () => expect(verdict(bent({ signing: 'checkpoint' }).lines).exit).toBe(0))

  it('is intact across segments', () => {
    expect(verdict([honest.lines.slice(0, 5), honest.lines.slice(5)]).exit).toBe(0)
  })
})

describe('a changed record', () => {
  /** The record's text without its signature column. */
  const changed = (line: string, from: string, to: string) => line.replace(from, to)

  it('is a bad signature when one field was edited', () => {
    expect(bothSay(honest.lines.with(3, changed(second, '"acme"', '"evil"')))).toBe('BAD_RECORD_SIG')
  })

  it('is a broken chain one record later in checkpoint mode', () => {
    const { lines } = bent({ signing: 'checkpoint' })
    const tampered = lines.with(2, changed(lines[2] as string, 'policy', 'pollcy').replace('"agent:', '"agemt:'))
    expect(verdict(tampered)).toMatchObject({ code: 'CHAIN_BREAK', seq: 2 })
  })

  it('is a bad signature when every later prev was recomputed', () => {
    const other = bent({ ...edit(2, (record) => ({ ...record, tenant: 'evil' })), recordSigner: testKey('thief') })
    const spliced = honest.lines.map((line, index) => (index < 3 ? line : (other.lines[index] as string)))
    expect(bothSay(spliced)).toBe('BAD_RECORD_SIG')
  })

  it('is a mismatch at the checkpoint when every later prev was recomputed in checkpoint mode', () => {
    const lawful = bent({ signing: 'checkpoint' })
    const other = bent({ signing: 'checkpoint', ...edit(2, (record) => ({ ...record, tenant: 'evil' })) })
    const spliced = lawful.lines.map((line, index) => (line.startsWith('C') ? line : (other.lines[index] as string)))
    expect(bothSay(spliced)).toBe('CHECKPOINT_MISMATCH')
  })

  it('is a broken chain or a bad signature when a denial becomes an allow', () => {
    const denial = bent({ records: 5 }).lines
    const line = denial.findIndex((text) => text.includes('"effect":"deny"'))
    expect(bothSay(denial.with(line, (denial[line] as string).replace('"deny"', '"allow"')))).toBe('BAD_RECORD_SIG')
  })

  it('is a bad signature when it was signed as another payload type', () => {
    expect(bothSay(bent({ payloadType: 'application/vnd.sluicegate.command.v1+json' }).lines)).toBe('BAD_RECORD_SIG')
  })
})

describe('missing and misplaced records', () => {
  it.each([
    ['the first record is gone', without(0), 'GENESIS_MISSING'],
    ['a middle record is gone', without(2), 'GAP'],
    ['the last record of a batch is gone', without(3), 'CHECKPOINT_MISMATCH'],
    ['two records are swapped', honest.lines.with(2, second).with(3, first), 'GAP'],
    ['a record is there twice', honest.lines.toSpliced(3, 0, first), 'DUPLICATE_SEQ'],
  ])('are found when %s', (_title, lines, code) => {
    expect(bothSay(lines)).toBe(code)
  })

  it('are a fork when one number has two signed contents', () => {
    const other = bent(edit(1, (record) => ({ ...record, tenant: 'other' }))).lines[2] as string
    expect(verdict(honest.lines.toSpliced(3, 0, other))).toMatchObject({ code: 'FORK', seq: 2 })
  })

  it('are of the wrong stream when they were copied from another', () => {
    const other = bent({ stream: streamName(2) }).lines
    expect(bothSay(other)).toBe('WRONG_STREAM')
    expect(bothSay(honest.lines.with(3, other[3] as string))).toBe('WRONG_STREAM')
  })

  it('are out of order behind the record that closed the stream', () => {
    const reopened = bent(edit(3, (record) => ({ ...record, type: 'stream.close' })))
    expect(bothSay(reopened.lines)).toBe('ORDER')
  })

  it('are a clock that ran backwards', () => {
    expect(bothSay(bent(edit(3, (record) => ({ ...record, tsMs: startMs - 3_600_000 }))).lines)).toBe('CLOCK_ROLLBACK')
  })
})

describe('missing and misplaced segments', () => {
  const segments = [honest.lines.slice(0, 5), honest.lines.slice(5, 8), honest.lines.slice(8)]

  it('are named when an older one was put in place of a newer', () => {
    expect(verdict([segments[0]!, segments[1]!, segments[0]!, segments[2]!])).toMatchObject({ code: 'SEGMENT_ORDER' })
  })

  it('are a gap when the newer one took the number of the missing', () => {
    expect(verdict([segments[0]!, segments[2]!])).toMatchObject({ code: 'GAP', seq: 3 })
  })

  it('are damage, not a torn tail, when one ends within a line', () => {
    const cut = joined(segments[0]!).subarray(0, -9)
    const judged = { stream: streamName(1), segments: [cut, joined(segments[1]!), joined(segments[2]!)] }
    expect(ourVerdict(judged)).toMatchObject({ exit: 1, code: 'RECORD_MALFORMED' })
    expect(placeOf(theirVerdict(judged))).toEqual(placeOf(ourVerdict(judged)))
  })
})

describe('a cut tail', () => {
  it('inside a batch leaves signed records that no checkpoint covers', () => {
    expect(verdict(honest.lines.slice(0, 4))).toMatchObject({ exit: 2, code: 'UNSIGNED_TAIL', seq: 1 })
  })

  it('at a checkpoint leaves an open end', () => {
    expect(verdict(honest.lines.slice(0, 5))).toMatchObject({ exit: 2, code: 'OPEN_TAIL', seq: 3 })
  })

  it.each(['stream 2', 'the anchor', 'the manifest'])(
    'at a checkpoint is a truncation when %s remembers more',
    (by) => {
      const pins = [{ stream: streamName(1), size: honest.size, root: honest.root, by }]
      expect(verdict(honest.lines.slice(0, 5), { pins })).toMatchObject({ exit: 1, code: 'TRUNCATED', seq: 3 })
    },
  )

  it('at any byte is a torn, unsigned or open tail, and never intact', () => {
    const whole = joined(honest.lines)
    for (let bytes = 0; bytes < whole.length; bytes += 3) {
      const judged = { stream: streamName(1), segments: [whole.subarray(0, bytes)] }
      const ours = ourVerdict(judged)
      expect(ours.exit).toBe(2)
      expect(['TORN_TAIL', 'UNSIGNED_TAIL', 'OPEN_TAIL']).toContain(ours.code)
      expect(placeOf(theirVerdict(judged))).toEqual(placeOf(ours))
    }
  })

  it('is no fault behind the size that a successor remembers: it was never acknowledged', () => {
    const kept = buildStream({ records: 2, batch: 2, close: false })
    const pins = [{ stream: streamName(1), size: kept.size, root: kept.root, by: 'stream 2' }]
    const torn = Buffer.concat([joined(honest.lines.slice(0, 6)), Buffer.from('{"boot":"half a li')])
    expect(ourVerdict({ stream: streamName(1), segments: [torn], pins }).exit).toBe(0)
    expect(theirVerdict({ stream: streamName(1), segments: [torn], pins }).exit).toBe(0)
  })

  it('stays open behind an anchor that covers less than the whole', () => {
    const open = bent({ close: false })
    const half = buildStream({ records: 2, batch: 2, close: false })
    const anchor = (built: BuiltStream) => [
      { stream: streamName(1), size: built.size, root: built.root, by: 'the anchor' },
    ]
    expect(verdict(open.lines, { pins: anchor(half) })).toMatchObject({ exit: 2, code: 'OPEN_TAIL' })
    expect(verdict(open.lines, { pins: anchor(open) })).toMatchObject({ exit: 0 })
  })

  it('is a fork when an anchor remembers another history of that size', () => {
    const pins = [{ stream: streamName(1), size: 3, root: 'ab'.repeat(32), by: 'the anchor' }]
    expect(verdict(honest.lines, { pins })).toMatchObject({ exit: 1, code: 'FORK' })
  })
})

describe('keys', () => {
  const thief = testKey('thief')

  it('are untrusted when the whole stream was signed anew by another deployment', () => {
    const forged = bent({ delegator: thief, recordKey: testKey('r'), checkpointKey: testKey('c') })
    expect(bothSay(forged.lines)).toBe('UNTRUSTED_KEY')
    expect(verdict(forged.lines).exit).toBe(2)
  })

  it('are untrusted without a trust file', () => {
    expect(verdict(honest.lines, { trust: null })).toMatchObject({ exit: 2, code: 'UNTRUSTED_KEY', seq: 0 })
  })

  it('are no keys when another key stands under the name of the deployment key', () => {
    const pub = thief.raw.toString('base64')
    const bendEnvelope = (envelope: JsonObject) => ({
      ...envelope,
      signatures: [{ ...(envelope as never as { signatures: JsonObject[] }).signatures[0], keyid: deploymentKey.kid }],
    })
    expect(bothSay(bent({ delegator: thief, bendEnvelope }).lines)).toBe('BAD_DELEGATION')
    expect(bothSay(bent({ bendDelegation: (statement) => ({ ...statement, pub }) }).lines)).toBe('KID_MISMATCH')
  })

  it.each([
    ['KEY_EXPIRED', { notAfter: startMs + 10 }],
    ['KEY_NOT_YET_VALID', { notBefore: startMs + 60_000 }],
    ['BAD_DELEGATION', { stream: streamName(2) }],
    ['BAD_DELEGATION', { v: 2 }],
    ['WRONG_KEY_PURPOSE', { purpose: 'anchor' }],
    ['WRONG_KEY_PURPOSE', { purpose: 'checkpoint' }],
  ])('are %s with a delegation that says %o', (code, more) => {
    expect(bothSay(bent({ bendDelegation: (statement) => ({ ...statement, ...more }) }).lines)).toBe(code)
  })

  it('are of the wrong purpose when a detector key delegated them', () => {
    expect(bothSay(honest.lines, { trust: trustJson(deploymentKey, 'detector') })).toBe('WRONG_KEY_PURPOSE')
  })

  it('are of the wrong purpose when a record is signed with the checkpoint key, or a checkpoint with the record key', () => {
    const [record, check] = [testKey('r'), testKey('c')]
    const swapped = bent({ recordKey: record, checkpointKey: check, recordSigner: check })
    expect(theirVerdict({ stream: streamName(1), segments: [joined(swapped.lines)] }).code).toBe('WRONG_KEY_PURPOSE')
    expect(verdict(swapped.lines).exit).toBe(1)
    const note = { origin: `test/evidence/${streamName(1)}`, size: 1, root: honest.leaves[0] as Buffer }
    const line = `C\t${Buffer.from(signedNote(note, testKey(`record ${streamName(1)}`))).toString('base64url')}\n`
    expect(bothSay(honest.lines.with(1, line))).toBe('WRONG_KEY_PURPOSE')
  })

  it('are weak when they have small order', () => {
    const raw = Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')
    const weak = { ...testKey('weak'), raw }
    expect(bothSay(bent({ recordKey: weak }).lines)).toBe('WEAK_KEY')
  })

  it('cannot be introduced unless the genesis delegated them', () => {
    const introduce = edit(2, (record) => ({
      ...record,
      type: 'key.introduce',
      ext: { kid: 'a'.repeat(64), purpose: 'record' },
    }))
    expect(bothSay(bent(introduce).lines)).toBe('BAD_ROTATION')
  })

  it.each<[string, JsonObject]>([
    ['no keys', { delegations: [] }],
    ['keys that are no list', { delegations: 'none' }],
    ['an envelope that is none', { delegations: [null] }],
    ['an unknown way of signing', { signing: 'sometimes' }],
  ])('are missed when the genesis has %s', (_title, change) => {
    const changed = bent(edit(0, (record) => ({ ...record, ext: { ...(record['ext'] as JsonObject), ...change } })))
    expect(verdict(changed.lines)).toMatchObject({ exit: 1, seq: 0 })
  })

  it.each([{ notBefore: -1 }, { notAfter: '9' }, { kid: 5 }, { pub: null }])(
    'are missed in a delegation with %o',
    (change) => {
      expect(verdict(bent({ bendDelegation: (statement) => ({ ...statement, ...change }) }).lines)).toMatchObject({
        exit: 1,
        seq: 0,
      })
    },
  )

  it('belong to the deployment that the trust file names', () => {
    expect(bothSay(honest.lines, { trust: trustJson().replace('"test"', '"prod"') })).toBe('WRONG_ORIGIN')
  })
})

describe('signatures', () => {
  it('are missed when they were stripped', () => {
    expect(bothSay(honest.lines.with(3, second.replace(/\t.*\n/, '\t\n')))).toBe('SIGNATURE_STRIPPED')
  })

  it('are refused where the genesis was changed to say that there are none', () => {
    const changed = genesis.replace('record+checkpoint', 'checkpoint')
    expect(bothSay(honest.lines.with(0, changed))).toBe('BAD_RECORD_SIG')
  })

  it.each<[string, (signature: string) => string]>([
    ['65 bytes', (text) => Buffer.concat([Buffer.from(text, 'base64'), Buffer.of(0)]).toString('base64')],
    ['padding bits set', (text) => `${text.slice(0, 85)}${text[85] === 'A' ? 'B' : 'x'}==`],
    ['no padding', (text) => text.replace(/=+$/, '')],
    ['the URL alphabet', (text) => Buffer.from(text, 'base64').fill(0xfb, 0, 3).toString('base64url')],
    ['a space at the end', (text) => `${text} `],
    ['a carriage return at the end', (text) => `${text}\r`],
    ['another column', (text) => `${text}\tx`],
  ])('are refused with %s', (_title, change) => {
    const [text = '', signature = ''] = second.slice(0, -1).split('\t')
    expect(bothSay(honest.lines.with(3, `${text}\t${change(signature)}\n`))).toBe('BAD_SIG_ENCODING')
  })
})

describe('checkpoints', () => {
  const later = honest.lines[7] as string

  it.each([
    ['dropped', without(4), 'CHECKPOINT_CHAIN_BREAK'],
    ['there twice', honest.lines.toSpliced(4, 0, checkpoint), 'CHECKPOINT_CHAIN_BREAK'],
    ['an older one', honest.lines.with(7, checkpoint), 'CHECKPOINT_CHAIN_BREAK'],
    ['a later one', honest.lines.with(4, later), 'CHECKPOINT_MISMATCH'],
    ['not base64url', honest.lines.with(4, `${checkpoint.slice(0, -1)}=\n`), 'CHECKPOINT_MALFORMED'],
    ['no note', honest.lines.with(4, `C\t${Buffer.from('hello\n').toString('base64url')}\n`), 'CHECKPOINT_MALFORMED'],
  ])('are found to be %s', (_title, lines, code) => {
    expect(bothSay(lines)).toBe(code)
  })

  it.each([
    ['one more record', { size: 4 }, 'CHECKPOINT_MISMATCH'],
    ['one record less', { size: 2 }, 'CHECKPOINT_MISMATCH'],
    ['another root', { root: Buffer.alloc(32, 7) }, 'CHECKPOINT_MISMATCH'],
    ['another stream', { origin: `test/evidence/${streamName(9)}` }, 'WRONG_ORIGIN'],
    ['another deployment', { origin: `evil/evidence/${streamName(1)}` }, 'WRONG_ORIGIN'],
  ])('are refused when they were signed over %s', (_title, change, code) => {
    expect(bothSay(bent({ bendNote: (note, index) => (index === 1 ? { ...note, ...change } : note) }).lines)).toBe(code)
  })

  it('are equivocation when one size has two signed roots', () => {
    const key = testKey(`checkpoint ${streamName(1)}`)
    const note = { origin: `test/evidence/${streamName(1)}`, size: 3, root: Buffer.alloc(32, 9) }
    const other = `C\t${Buffer.from(signedNote(note, key)).toString('base64url')}\n`
    expect(bothSay(honest.lines.toSpliced(5, 0, other))).toBe('EQUIVOCATION')
  })

  it('are refused when another key signed them', () => {
    expect(bothSay(bent({ checkpointSigner: testKey('thief') }).lines)).toBe('BAD_CHECKPOINT_SIG')
  })

  it.each([
    ['another number', { n: 7 }],
    ['another hash', { h: 'ab'.repeat(32) }],
  ])('are missed by a record that names %s', (_title, other) => {
    const renamed = edit(3, (record) => ({ ...record, cp: { ...(record['cp'] as JsonObject), ...other } }))
    expect(bothSay(bent(renamed).lines)).toBe('CHECKPOINT_CHAIN_BREAK')
  })

  it('are refused under the id of another key, though the signature holds', () => {
    const note = Buffer.from(checkpoint.slice(2, -1), 'base64url').toString()
    const [body = '', last = ''] = note.split('\n\n')
    const [dash, name, encoded = ''] = last.trim().split(' ')
    const blob = Buffer.from(encoded, 'base64').fill(1, 0, 4).toString('base64')
    const line = `C\t${Buffer.from(`${body}\n\n${dash} ${name} ${blob}\n`).toString('base64url')}\n`
    expect(bothSay(honest.lines.with(4, line))).toBe('BAD_CHECKPOINT_SIG')
  })

  it('are refused with a second signature', () => {
    const twice = Buffer.from(checkpoint.slice(2, -1), 'base64url').toString()
    const note = twice + twice.slice(twice.indexOf('\u2014'))
    expect(bothSay(honest.lines.with(4, `C\t${Buffer.from(note).toString('base64url')}\n`))).toBe(
      'CHECKPOINT_MALFORMED',
    )
  })
})

describe('text that is not in its one form', () => {
  const at = (change: (text: string) => string): Bend => ({
    bendText: (text, seq) => (seq === 2 ? change(text) : text),
  })

  it.each<[string, (text: string) => string, string]>([
    ['a duplicate key', (text) => text.replace('"tenant":', '"tenant":"x","tenant":'), 'NOT_CANONICAL'],
    ['a space', (text) => text.replace('"tenant":', '"tenant": '), 'NOT_CANONICAL'],
    ['an escape nobody needs', (text) => text.replace('"tenant":"a', '"tenant":"\\u0061'), 'NOT_CANONICAL'],
    ['1.0', (text) => text.replace('"v":1', '"v":1.0'), 'NOT_CANONICAL'],
    ['1e2', (text) => text.replace('"sizeBytes":121', '"sizeBytes":1e2'), 'NOT_CANONICAL'],
    ['a fraction', (text) => text.replace('"sizeBytes":121', '"sizeBytes":1.5'), 'NOT_CANONICAL'],
    ['minus zero', (text) => text.replace('"piiCount":2', '"piiCount":-0'), 'NOT_CANONICAL'],
    [
      'an integer beyond 2^53',
      (text) => text.replace('"sizeBytes":121', '"sizeBytes":9007199254740993'),
      'NOT_CANONICAL',
    ],
    ['a lone surrogate', (text) => text.replace('"tenant":"acme"', '"tenant":"\\ud800"'), 'NOT_CANONICAL'],
    ['a byte order mark', (text) => `\ufeff${text}`, 'RECORD_MALFORMED'],
    ['a NUL', (text) => `${text}\u0000`, 'RECORD_MALFORMED'],
    ['half of it missing', (text) => text.slice(0, 90), 'RECORD_MALFORMED'],
    [
      'keys out of order',
      (text) => text.replace(/"session":"[^"]*",/, '').replace('"v":1', '"v":1,"session":"x"'),
      'NOT_CANONICAL',
    ],
    [
      '200 levels',
      (text) => text.replace('"ext":{', `"ext":{"deep":${'['.repeat(200)}${']'.repeat(200)},`),
      'NOT_CANONICAL',
    ],
    [
      '20,000 levels',
      (text) => text.replace('"ext":{', `"ext":{"deep":${'['.repeat(20_000)}${']'.repeat(20_000)},`),
      'NOT_CANONICAL',
    ],
  ])('is refused with %s, even when it was signed', (_title, change, code) => {
    expect(bothSay(bent(at(change)).lines)).toBe(code)
  })

  it.each([
    ['an overlong encoding', Buffer.of(0xc0, 0xaf)],
    ['a stray continuation byte', Buffer.of(0x80)],
    ['a surrogate in UTF-8', Buffer.of(0xed, 0xa0, 0x80)],
  ])('is refused with %s', (_title, bytes) => {
    const line = Buffer.from(second)
    const spoiled = Buffer.concat([line.subarray(0, 40), bytes, line.subarray(40)])
    const segments = [Buffer.concat([joined(honest.lines.slice(0, 3)), spoiled, joined(honest.lines.slice(4))])]
    const judged = { stream: streamName(1), segments }
    expect(ourVerdict(judged)).toMatchObject({ exit: 1, code: 'BAD_UTF8', seq: 2 })
    expect(placeOf(theirVerdict(judged))).toEqual(placeOf(ourVerdict(judged)))
  })

  it.each([
    [65_535, 0, undefined],
    [65_536, 1, 'RECORD_MALFORMED'],
  ])('may be a record of %i bytes: exit %i', (sizeBytes, exit, code) => {
    const padded = (text: string) => {
      const room = sizeBytes - Buffer.byteLength(text.replace('"ext":{', '"ext":{"a":"",'))
      return text.replace('"ext":{', `"ext":{"a":"${'x'.repeat(room)}",`)
    }
    const { lines } = bent({ ...at(padded), signing: 'checkpoint' })
    expect(verdict(lines)).toMatchObject({ exit, ...(code !== undefined && { code, seq: 2 }) })
  })

  it('is refused when a line is longer than any line may be, however long', () => {
    for (const length of [70_000, 10_000_000])
      expect(bothSay(honest.lines.with(3, `${'{'.repeat(length)}\n`))).toBe('RECORD_MALFORMED')
  })
})

describe('what a record may say', () => {
  it.each<[string, (record: JsonObject) => JsonObject, string]>([
    ['another version', (record) => ({ ...record, v: 2 }), 'UNSUPPORTED_VERSION'],
    ['an unknown type', (record) => ({ ...record, type: 'call.maybe' }), 'BAD_SCHEMA'],
    ['an unknown field', (record) => ({ ...record, extra: true }), 'BAD_SCHEMA'],
    ['a field named constructor', (record) => ({ ...record, constructor: 1 }), 'BAD_SCHEMA'],
    [
      'a field named __proto__',
      (record) => JSON.parse(JSON.stringify(record).replace('"ext":{', '"ext":{"__proto__":1,')) as JsonObject,
      'BAD_SCHEMA',
    ],
    ['no boot', ({ boot: _boot, ...record }) => record, 'BAD_SCHEMA'],
    ['a negative time', (record) => ({ ...record, wallMs: -1 }), 'BAD_SCHEMA'],
    ['a second genesis', (record) => ({ ...record, type: 'stream.genesis' }), 'ORDER'],
  ])('is bounded: %s is refused', (_title, change, code) => {
    expect(bothSay(bent(edit(2, change)).lines)).toBe(code)
  })
})
