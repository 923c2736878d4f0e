import { describe, expect, it } from 'vitest'
import { lintExpression } from '../../../src/expression/lint.ts'
import type { LintOptions } from '../../../src/expression/lint.ts'
import { parseExpression } from '../../../src/expression/parse.ts'

const about: LintOptions = {
  vocabulary: { names: new Set(['sure', 'maybe', 'feature', 'optional']) },
  maybeAbsent: (path) => path === 'maybe',
  maybeNotReady: (path) => path === 'feature',
  avoidable: (path) => path === 'optional',
}

const warnings = (text: string) => lintExpression(parseExpression(text), about).map(({ message }) => message)

describe('lintExpression', () => {
  it.each([
    ["maybe != 'x'", "'!=' holds when 'maybe' is missing"],
    ['maybe == null', "A missing 'maybe' is not null"],
    ['not feature > 3', "The negation holds while 'feature' is not ready"],
    ['feature != 3', "The negation holds while 'feature' is not ready"],
    ['sure and !feature', "The negation holds while 'feature' is not ready"],
    ['optional > 10', "A caller that leaves out 'optional' is not denied"],
    ['len(optional) > 10', "A caller that leaves out 'optional' is not denied"],
  ])('warns of %s', (text, message) => {
    expect(warnings(text)).toEqual([expect.stringContaining(message)])
  })

  it.each([
    "sure != 'x'",
    "present(maybe) and maybe != 'x'",
    "maybe and maybe != 'x'",
    "not (maybe != 'x')",
    'feature > 3',
    'present(feature) and not feature > 3',
    'not not feature',
    'not optional',
    'not present(optional)',
    'maybe > 3',
    'sure == null',
  ])('is silent about %s', (text) => {
    expect(warnings(text)).toEqual([])
  })
})
