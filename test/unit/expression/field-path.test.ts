import { describe, expect, it } from 'vitest'
import { fieldReader } from '../../../src/expression/field-path.ts'

const root = { a: { b: [{ c: 7 }], n: null, text: 'abc' } }

describe('fieldReader', () => {
  it('follows objects and places of lists', () => {
    expect(fieldReader('a.b.0.c')(root)).toBe(7)
    expect(fieldReader('a.n')(root)).toBeNull()
  })

  it.each(['a.x', 'a.n.x', 'a.text.length', 'a.text.0', 'a.b.length', 'a.b.-1', 'a.b.1'])(
    'gives nothing for %s',
    (path) => {
      expect(fieldReader(path)(root)).toBeUndefined()
    },
  )

  it.each(['constructor', 'a.constructor.name', '__proto__', 'a.__proto__.polluted', 'toString', 'a.b.map'])(
    'does not reach the prototype by %s',
    (path) => {
      expect(fieldReader(path)(root)).toBeUndefined()
    },
  )

  it('reads an own member whatever its name', () => {
    expect(fieldReader('args.__proto__')(JSON.parse('{"args":{"__proto__":5}}'))).toBe(5)
  })
})
