import * as fc from 'fast-check'
import { isIPv4, isIPv6 } from 'node:net'
import { describe, expect, it } from 'vitest'
import { detect } from '../../src/dlp/detect.ts'
import type { Mode } from '../../src/dlp/finding.ts'
import { parseIpv4, parseIpv6 } from '../../src/dlp/ip.ts'
import { defaultLimits, meter } from '../../src/dlp/meter.ts'
import { scanner } from '../../src/dlp/scan.ts'
import { decodedView } from '../../src/dlp/views.ts'
import type { Json } from '../../src/ports/json.ts'

const hashKey = () => ({ id: 'k1', key: new Uint8Array(32).fill(3) })
const modes: readonly Mode[] = ['mask', 'partial', 'hash', 'drop']

/** Pieces that recognizers care about, so that generated texts come close to them. */
const piece = fc.oneof(
  fc.constantFrom(
    'jane@x.com', '@', '.', '-', ' ', ':', '=', '"', '<', '>', '***', '***@***', '<card>', 'phone ', 'ssn ', 'card ', 'iban ', 'order ',
    '212-555-0100', '123-45-6789', '4111111111111111', '4111 1111 1111 1111', '8.8.8.8', '::1', 'GB29NWBK60161331926819', 'password=',
    'token: ', 'hunter22', 'eyJ', '://', 'postgres://a:b4c5d6@h', '%40', '&#64;', '\\u0040', '\u200b', 'о', '+1 ', '(212) ', '7', '45',
    'email:k1:ABCDEFGHIJKLMNOP', '{"email":"jane@x.com"}', 'amFuZUBtYWlsLmV4YW1wbGUsIGhlbGxv',
  ), // prettier-ignore
  fc.string({ maxLength: 6 }),
)
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
const key = fc.oneof(
  fc.constantFrom('email', 'phone', 'note', 'password', 'token', 'id', 'ssn', 'address', '__proto__', 'x@y.com'),
  text,
)
const value: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    text,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    text.map((text) => JSON.stringify({ note: text })),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
})).value

const fields = fc.array(
  fc.record({
    field: fc.constantFrom('email', 'note', '$..token', '$.phone', 'note.*'),
    mode: fc.constantFrom(...modes),
  }),
  { maxLength: 2 },
)
const byKind = fc.dictionary(
  fc.constantFrom('email', 'phone', 'card', 'token', 'ssn'),
  fc.constantFrom(...modes, 'pass' as const),
)

describe('redaction', () => {
  it('done twice is done once', () => {
    fc.assert(
      fc.property(value, fields, byKind, (value, fields, modes) => {
        const scan = scanner({ hashKey, modes })
        const once = scan.redact(value, { tenant: 't', fields }).value
        expect(JSON.stringify(scan.redact(once, { tenant: 't', fields }).value)).toBe(JSON.stringify(once))
      }),
      { numRuns: 1500 },
    )
  })

  it('leaves nothing that the scanner would still count', () => {
    fc.assert(
      fc.property(value, (value) => {
        const scan = scanner({ hashKey, modes: { person: 'mask', address: 'mask' } })
        expect(scan.scan(scan.redact(value, { tenant: 't', fields: [] }).value).count).toBe(0)
      }),
      { numRuns: 1000 },
    )
  })

  it('never touches its input, and gives it back when nothing is found', () => {
    fc.assert(
      fc.property(value, (value) => {
        const before = JSON.stringify(value)
        const { value: after, findings } = scanner({ hashKey }).redact(deepFrozen(value), { tenant: 't', fields: [] })
        expect(JSON.stringify(value)).toBe(before)
        if (findings.count === 0) expect(after).toBe(value)
      }),
    )
  })
})

describe('spans', () => {
  it('are in order, apart, and inside the text', () => {
    fc.assert(
      fc.property(text, (text) => {
        let last = 0
        for (const { start, end } of detect(text, meter(defaultLimits))) {
          expect(start).toBeGreaterThanOrEqual(last)
          expect(end).toBeGreaterThan(start)
          last = end
        }
        expect(last).toBeLessThanOrEqual(text.length)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the decoded view', () => {
  it('maps every character to a place, in order, from the first to the end', () => {
    fc.assert(
      fc.property(text, (text) => {
        const view = decodedView(text, meter(defaultLimits))
        if (view === undefined) return
        expect(view.from).toHaveLength(view.text.length + 1)
        expect(view.from.at(-1)).toBe(text.length)
        expect([...view.from]).toEqual([...view.from].sort((a, b) => a - b))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('addresses', () => {
  const near = fc
    .array(fc.constantFrom('1', '255', '256', '0', '01', '.', '1.2.3.4'), { maxLength: 9 })
    .map((parts) => parts.join(''))
  const six = fc
    .array(fc.constantFrom(':', '::', '1', 'ff', 'abcd', '12345', '1.2.3.4'), { maxLength: 18 })
    .map((parts) => parts.join(''))

  it('are those that the platform calls IPv4', () => {
    fc.assert(fc.property(fc.oneof(near, fc.ipV4()), (text) => (parseIpv4(text) !== undefined) === isIPv4(text)))
  })

  it('are those that the platform calls IPv6', () => {
    fc.assert(
      fc.property(fc.oneof(six, fc.ipV6()), (text) => (parseIpv6(text) !== undefined) === isIPv6(text)),
      { numRuns: 2000 },
    )
  })
})

function deepFrozen(value: Json): Json {
  if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) deepFrozen(each)
  return Object.freeze(value)
}
