import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { parseStrict, messageLimits } from '../../../src/server/strict-json.ts'

const parse = (text: string) => parseStrict(Buffer.from(text))

describe('strict JSON', () => {
  it('gives what JSON.parse gives for any unambiguous value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value)
        const parsed = parse(text)
        const ambiguous = /"__proto__"|"prototype"|\\ud[89a-f]|[0-9]{16,}|[0-9]e\+?[0-9]/i.test(text)
        if (!ambiguous) expect(parsed).toEqual({ ok: true, value: JSON.parse(text) })
      }),
    )
  })

  it.each([
    ['a duplicate key', '{"a":1,"a":2}', /twice/],
    ['a duplicate key in an escape', '{"a":1,"\\u0061":2}', /twice/],
    ['a duplicate key deep inside', '{"x":[{"a":{"b":1,"b":1}}]}', /twice/],
    ['__proto__', '{"__proto__":{"admin":true}}', /__proto__/],
    ['__proto__ behind an escape', '{"__pro\\u0074o__":{}}', /__proto__/],
    ['a lone surrogate', '{"a":"\\ud800"}', /surrogate/],
    ['a message of more than 1 MiB', `"${' '.repeat(1024 * 1024 - 1)}"`, /too large/],
    ['the first integer beyond 2^53', '9007199254740992', /2\^53/],
    ['a fraction of 17 digits that are not all kept', '0.12345678901234567', /digits/],
    ['an integer beyond 2^53', '{"a":12345678901234567890}', /2\^53/],
    ['the same in another spelling', '{"a":1e300}', /2\^53/],
    ['a number that overflows', '{"a":1e400}', /too large/],
    ['a number with more digits than are kept', '{"a":0.1000000000000000055511151231257827}', /digits/],
    ['a number that vanishes', '{"a":123.456e-789}', /digits/],
    ['constructor.prototype', '{"constructor":{"prototype":{"admin":true}}}', /constructor\.prototype/],
    [
      'the same behind escapes, deep inside',
      '[{"constr\\u0075ctor":{"x":1,"prototyp\\u0065":{}}}]',
      /constructor\.prototype/,
    ],
    ['a string of more than 256 KiB', JSON.stringify('é'.repeat(128 * 1024 + 1)), /too long/],
    ['the same in escapes', `"${'\\u00e9'.repeat(128 * 1024 + 1)}"`, /too long/],
    ['too many fields', JSON.stringify(Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [n, n]))), /fields/],
    ['no JSON', '{"a":}', /not valid JSON/],
    ['nothing', '', /not valid JSON/],
    ['a byte-order mark', '\ufeff{}', /not valid JSON/],
    ['nesting beyond the limit', '['.repeat(33) + ']'.repeat(33), /nested/],
    ['nesting beyond the limit, before it is parsed', '['.repeat(100_000), /nested/],
    ['too many items', `[${'1,'.repeat(messageLimits.itemsMax)}1]`, /items/],
  ])('refuses %s', (_what, text, why) => {
    const parsed = parse(text)
    expect(parsed).toMatchObject({ ok: false, why: expect.stringMatching(why) as string })
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(parseStrict(Uint8Array.from([0x22, 0xc3, 0x28, 0x22]))).toMatchObject({ ok: false })
  })

  it.each(['0.1', '1.10', '-0.0', '5e-324', '1E2', '1e-7', '0e999999', '123456789.123456', '100000e-5'])(
    'keeps the number %s',
    (text) => expect(parse(text)).toEqual({ ok: true, value: Number(text) }),
  )

  it('lets a field be named constructor or prototype when neither holds the other', () => {
    expect(parse('{"constructor":{"a":1},"prototype":{"b":1}}')).toMatchObject({ ok: true })
    expect(parse('{"constructor":"x","a":[{"prototype":1}]}')).toMatchObject({ ok: true })
    expect(parse('{"constructor":[{"prototype":1}]}')).toMatchObject({ ok: true })
  })

  it('takes a string of 256 KiB, in any spelling', () => {
    const text = 'é'.repeat(128 * 1024)
    expect(parse(JSON.stringify(text))).toEqual({ ok: true, value: text })
    expect(parse(`"${'\\u00e9'.repeat(128 * 1024)}"`)).toEqual({ ok: true, value: text })
  })

  it('does not mistake a string for structure', () => {
    expect(parse('{"a":"{\\"a\\":1,\\"a\\":2}","b":"]["}')).toMatchObject({ ok: true })
    expect(parse('["a","a",{"a":"a"}]')).toMatchObject({ ok: true })
    expect(parse(JSON.stringify(`\\"${'['.repeat(100)}`))).toMatchObject({ ok: true })
  })
})
