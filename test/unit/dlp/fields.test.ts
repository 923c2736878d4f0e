import { describe, expect, it } from 'vitest'
import { fieldProblem } from '../../../src/dlp/fields.ts'
import type { Mode } from '../../../src/dlp/finding.ts'
import { scanner } from '../../../src/dlp/scan.ts'
import type { Json } from '../../../src/ports/json.ts'

const scan = scanner({ hashKey: () => ({ id: 'k1', key: new Uint8Array(32).fill(7) }) })
const redact = (value: Json, ...rules: readonly (readonly [string, Mode])[]) =>
  scan.redact(value, { tenant: 't', fields: rules.map(([field, mode]) => ({ field, mode })) })

describe('a field rule', () => {
  const rows = { rows: [{ nick: 'a', deep: { nick: 'b' } }], nick: 'c' }

  it('with a bare name holds anywhere', () =>
    expect(redact(rows, ['nick', 'mask']).value).toEqual({
      rows: [{ nick: '<private>', deep: { nick: '<private>' } }],
      nick: '<private>',
    }))

  it.each([
    'deep.nick',
    'rows.*.deep.nick',
    'rows.deep.nick',
    '$..deep.nick',
    '$.rows.*.deep.nick',
    '$.rows[*].deep.nick',
    'rows.0.deep.nick',
  ])('with the path %s holds there only', (field) =>
    expect(redact(rows, [field, 'mask']).value).toEqual({
      rows: [{ nick: 'a', deep: { nick: '<private>' } }],
      nick: 'c',
    }),
  )

  it('that begins with $. is pinned to the root', () =>
    expect(redact(rows, ['$.nick', 'mask']).value).toEqual({
      rows: [{ nick: 'a', deep: { nick: 'b' } }],
      nick: '<private>',
    }))

  it('compares names without case and punctuation', () =>
    expect(redact({ 'Shoe-Size': '42', shoeSize: '43' }, ['shoe_size', 'mask']).value).toEqual({
      'Shoe-Size': '<private>',
      shoeSize: '<private>',
    }))

  it('covers whatever the field holds', () =>
    expect(redact({ x: { a: 1, b: [true, null, 'text'] } }, ['x', 'mask']).value).toEqual({
      x: { a: '<private>', b: ['<private>', null, '<private>'] },
    }))

  it('reaches into strings that hold JSON', () =>
    expect(redact({ text: '{"rows":[{"nick":"a"}]}' }, ['rows.nick', 'mask']).value).toEqual({
      text: '{"rows":[{"nick":"<private>"}]}',
    }))

  it('takes the member away with drop, elements too', () =>
    expect(redact({ keep: 1, tags: ['a', 'b'], note: null }, ['note', 'drop'], ['tags.*', 'drop']).value).toEqual({
      keep: 1,
      tags: [],
    }))

  it('blocks the call with block', () => {
    const { value, blocked } = redact({ note: 'anything' }, ['note', 'block'])
    expect({ value, blocked }).toEqual({ value: null, blocked: 'private' })
  })

  it('that is strictest wins', () =>
    expect(
      redact({ note: 'anything at all' }, ['note', 'partial'], ['$..note', 'mask'], ['note', 'hash']).value,
    ).toEqual({
      note: '<private>',
    }))

  it('prevails over the default for its kind', () =>
    expect(redact({ phone: '+1 212 555 0100' }, ['phone', 'partial']).value).toEqual({ phone: '***0100' }))

  it('never shows part of a secret', () =>
    expect(
      redact({ note: 'password=hunter22', password: 'correct horse' }, ['note', 'partial'], ['password', 'partial'])
        .value,
    ).toEqual({
      note: '<private>',
      password: '<password>',
    }))

  it('reports the whole leaf', () =>
    expect(redact({ rows: [{ email: 'jane@x.com' }] }, ['email', 'mask']).findings.list).toEqual([
      { kind: 'email', path: 'rows.0.email', start: 0, end: 10, score: 1, by: 'field', why: 'field rule' },
    ]))
})

describe('a field that is no field', () => {
  it.each(['', '.', 'a..b', '$', '$..', 'a[?(@.b)]', 'a[b]', 'a.$.b'])('is refused: %j', (field) => {
    expect(fieldProblem(field)).toContain(`"${field}" is not a field`)
    expect(() => redact({}, [field, 'mask'])).toThrow(TypeError)
  })

  it.each(['email', 'customer.email', 'rows.*.phone', '$..note', '$.a.b', 'a[0].b', 'X-Api-Key'])(
    'is not %j',
    (field) => expect(fieldProblem(field)).toBeUndefined(),
  )
})
