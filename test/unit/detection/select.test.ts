import { describe, expect, it } from 'vitest'
import { holds, mentioned, parseCondition } from '../../../src/detection/condition.ts'
import { compileSelection, type Lists } from '../../../src/detection/select.ts'
import type { Json } from '../../../src/ports/json.ts'

const matches = (body: Json, fields: Record<string, unknown>, lists: Lists = {}) =>
  compileSelection(body, lists).test((field) => fields[field])

describe('a selection', () => {
  it.each<[string, Json, unknown, boolean]>([
    ['equal texts', { f: 'deny' }, 'deny', true],
    ['texts that differ in case', { f: 'DENY' }, 'deny', true],
    ['case, when asked to', { 'f|cased': 'DENY' }, 'deny', false],
    ['a star as any run', { f: 'flag*' }, 'flag.set', true],
    ['an escaped star as a star', { f: '\\*' }, 'anything', false],
    ['an escaped star with a star', { f: '\\*' }, '*', true],
    ['a bare star with any text', { f: '*' }, 'anything', true],
    ['any of a list', { f: ['a', 'b'] }, 'b', true],
    ['any element against any value', { f: ['a', 'b'] }, ['x', 'b'], true],
    ['all of a list', { 'f|contains|all': ['a', 'b'] }, 'xaxbx', true],
    ['all of a list, one missing', { 'f|contains|all': ['a', 'z'] }, 'xaxbx', false],
    ['a number', { f: 3 }, 3, true],
    ['true and not false', { f: true }, false, false],
    ['gt, not itself', { 'f|gt': 3 }, 3, false],
    ['gte, itself', { 'f|gte': 3 }, 3, true],
    ['lt', { 'f|lt': 3 }, 2, true],
    ['lte', { 'f|lte': 3 }, 4, false],
    ['a text that looks like a number is no number', { 'f|gte': 3 }, '4', false],
    ['startswith', { 'f|startswith': 'fla' }, 'flag.set', true],
    ['endswith with an escaped star', { 'f|endswith': ':\\*' }, 'crm:*', true],
    ['endswith with an escaped star, another end', { 'f|endswith': ':\\*' }, 'crm:x', false],
    ['neq', { 'f|neq': 'a' }, 'b', true],
    ['neq, equal', { 'f|neq': 'a' }, 'A', false],
    ['exists', { 'f|exists': true }, 0, true],
    ['exists, of a feature that is not ready', { 'f|exists': true }, null, false],
    ['exists: false, missing', { 'f|exists': false }, undefined, true],
    ['null as missing', { f: null }, undefined, true],
    ['null, of a feature that is not ready', { f: null }, null, false],
    ['nothing when the field is missing', { f: 'a' }, undefined, false],
    ['nothing when the feature is not ready', { 'f|gte': 0 }, null, false],
    ['nothing when the feature is not ready, even neq', { 'f|neq': 'a' }, null, false],
  ])('knows %s', (_what, body, seen, expected) => {
    expect(matches(body, { f: seen })).toBe(expected)
  })

  it('wants all fields of a map, and one map of a list', () => {
    expect(matches({ a: 1, b: 2 }, { a: 1, b: 3 })).toBe(false)
    expect(matches([{ a: 1 }, { b: 2 }], { a: 0, b: 2 })).toBe(true)
  })

  it('expands lists as they stand, without reading wildcards into configuration', () => {
    const body = { 'f|expand': '%bulk_vendors%' }
    expect(matches(body, { f: 'Vendor.example' }, { bulk_vendors: ['vendor.example'] })).toBe(true)
    expect(matches(body, { f: 'evil.example' }, { bulk_vendors: ['*.example'] })).toBe(false)
    expect(matches(body, { f: 'vendor.example' })).toBe(false)
  })
})

describe('a condition', () => {
  const names = ['sel_a', 'sel_b', 'other']
  const held = (text: string, ...on: string[]) => holds(parseCondition(text, names), (name) => on.includes(name))

  it.each<[string, string[], boolean]>([
    ['sel_a or sel_b and other', ['sel_a'], true],
    ['(sel_a or sel_b) and other', ['sel_a'], false],
    ['not sel_a and other', ['other'], true],
    ['not (sel_a and other)', ['other'], true],
    ['1 of sel_*', ['sel_b'], true],
    ['all of sel_*', ['sel_b'], false],
    ['all of them', ['sel_a', 'sel_b', 'other'], true],
    ['SEL_A OR sel_a', ['sel_a'], true],
  ])('%s, with %j: %s', (text, on, expected) => {
    const known = text.includes('SEL_A') ? [...names, 'SEL_A'] : names
    expect(holds(parseCondition(text, known), (name) => on.includes(name))).toBe(expected)
    expect(() => held('sel_a')).not.toThrow()
  })

  it.each([
    ['', /ends/],
    ['sel_a and', /ends/],
    ['sel_a sel_b', /left over/],
    ['(sel_a', /not closed/],
    ['2 of sel_*', /not supported/],
    ['1 of gone_*', /no selection/],
    [`${'('.repeat(40)}sel_a`, /deeper/],
    ['not '.repeat(40) + 'sel_a', /deeper/],
  ])('refuses %j', (text, message) => {
    expect(() => parseCondition(text, names)).toThrow(message)
  })

  it('knows which of its names stand under a not', () => {
    const seen = mentioned(parseCondition('sel_a and not (sel_b or not other)', names))
    expect(seen).toEqual([
      { name: 'sel_a', negated: false },
      { name: 'sel_b', negated: true },
      { name: 'other', negated: false },
    ])
  })
})
