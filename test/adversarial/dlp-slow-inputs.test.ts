import { describe, expect, it } from 'vitest'
import { identifiersIn } from '../../src/detection/identifiers.ts'
import { detect } from '../../src/dlp/detect.ts'
import { marks } from '../../src/dlp/markers.ts'
import { defaultLimits, meter } from '../../src/dlp/meter.ts'

const size = 100_000
const fill = (text: string) => text.repeat(Math.ceil(size / text.length)).slice(0, size)
const dashes = '-'.repeat(5)

/** Texts that make naive patterns take time that grows with the square of their size. */
const hostile: Readonly<Record<string, string>> = {
  'labels without an at sign': fill('a.'),
  'at signs': fill('@'),
  'one-letter addresses': fill('a@a.'),
  'a long local part': `${'a'.repeat(size)}@`,
  digits: fill('1'),
  'digits and spaces': fill('1 '),
  'digits and dashes': fill('12-'),
  'brackets and plus signs': fill('+(1'),
  colons: fill('a:'),
  'dots and digits': fill('1.'),
  assignments: fill('password='),
  'a password without an end': `password="${'x'.repeat(size)}`,
  schemes: fill('a://b:'),
  'token headers': fill('eyJ'),
  'key headers': fill(`${dashes}BEGIN PRIVATE KEY${dashes}`),
  'percent signs': fill('%40'),
  ampersands: fill('&#'),
  'zero-width characters': fill('1\u200b'),
  base64: fill('QUFB'),
  'IBAN beginnings': fill('GB29 '),
  phrases: fill('ignore previous '),
  'open brackets': fill('!['),
}

/** Steps each character may cost, over all views and layers. */
const stepsPerCharMax = 200

describe.each(Object.entries(hostile))('100 KB of %s', (_name, text) => {
  it('cost steps in proportion to their size', () => {
    const whole = stepsFor(text)
    const half = stepsFor(text.slice(0, text.length / 2))
    expect(whole).toBeLessThan(size * stepsPerCharMax)
    expect(whole).toBeLessThan(half * 2.5 + 100_000)
  })

  it('are read for injection marks and identifiers', () => {
    expect(marks(text).score).toBeGreaterThanOrEqual(0)
    expect(identifiersIn(text, 4096).length).toBeLessThanOrEqual(4096)
  })
})

function stepsFor(text: string): number {
  const work = meter(defaultLimits)
  detect(text, work)
  return work.steps
}
