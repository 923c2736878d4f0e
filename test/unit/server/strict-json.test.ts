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
        const ambiguous = /"__proto__"|\\ud[89a-f]|[0-9]{16,}|[0-9]e\+?[0-9]/i.test(text)
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
    ['an integer beyond 2^53', '{"a":12345678901234567890}', /2\^53/],
    ['the same in another spelling', '{"a":1e300}', /2\^53/],
    ['a number that overflows', '{"a":1e400}', /too large/],
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

  it('does not mistake a string for structure', () => {
    expect(parse('{"a":"{\\"a\\":1,\\"a\\":2}","b":"]["}')).toMatchObject({ ok: true })
    expect(parse('["a","a",{"a":"a"}]')).toMatchObject({ ok: true })
    expect(parse(JSON.stringify(`\\"${'['.repeat(100)}`))).toMatchObject({ ok: true })
  })
})
