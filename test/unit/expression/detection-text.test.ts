import { describe, expect, it } from 'vitest'
import { parseDetectionText } from '../../../src/expression/detection-text.ts'
import { printExpression } from '../../../src/expression/print.ts'

const printed = (text: string) => printExpression(parseDetectionText(text).expression)

describe('parseDetectionText', () => {
  it('drops a leading where and keeps lines together', () => {
    expect(printed('where a == 1\nand b > 2')).toBe('a == 1 and b > 2')
  })

  it('takes the title out of an alert', () => {
    const { title, text } = parseDetectionText('if a > 0.5 and b == "x":\n  alert "Something: new"')
    expect(title).toBe('Something: new')
    expect(text.trim()).toBe('a > 0.5 and b == "x"')
  })

  it('reads a plain expression as it is', () => {
    expect(printed('where.x == 1 or wherever')).toBe('where.x == 1 or wherever')
  })

  it('keeps places in the text as it was given', () => {
    expect(() => parseDetectionText('where a ==')).toThrow('at character 11')
  })

  it.each(['if a > 1', 'if a > 1: alert', 'if a > 1: page "x"', 'if a > 1 alert "x"'])('refuses %s', (text) => {
    expect(() => parseDetectionText(text)).toThrow('must end with \': alert "title"\'')
  })
})
