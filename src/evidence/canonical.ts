import type { Json } from '../ports/json.ts'

/** Deepest nesting that has a canonical form. Deeper values are refused rather than walked. */
export const depthMax = 64

/**
 * One byte form for one meaning (RFC 8785): members ordered by UTF-16 code units, no spaces, shortest escapes.
 * Refuses, with a TypeError, everything JSON or a 64-bit reader could not carry back unchanged: lone surrogates, NaN and
 * infinities, integers beyond 2^53 - 1, undefined members, holes, bigints, objects that are not plain.
 */
export function canonicalize(value: Json): string {
  return textOf(value, numeral, 0)
}

/** As `canonicalize`, and refuses fractions too: a record holds integers, and any other number as a string. */
export function canonicalizeIntegers(value: Json): string {
  return textOf(value, integer, 0)
}

type Numeral = (value: number) => string

function textOf(value: unknown, numeral: Numeral, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quoted(value)
    case 'number':
      return numeral(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      if (depth >= depthMax) throw new TypeError(`A value nested deeper than ${depthMax} levels has no canonical form.`)
      return Array.isArray(value) ? items(value, numeral, depth + 1) : members(value, numeral, depth + 1)
    default:
      throw new TypeError(`JSON cannot carry a value of type ${typeof value}.`)
  }
}

/** Printable ASCII without quote and backslash: what needs no escape. Twice as fast as asking `JSON.stringify`. */
const plain = /^[ !#-[\]-~]*$/

function quoted(value: string): string {
  if (plain.test(value)) return `"${value}"`
  if (!value.isWellFormed()) throw new TypeError('A string with a lone surrogate has no canonical form.')
  // RFC 8785 §3.2.2.2 takes its string form from ECMAScript.
  return JSON.stringify(value)
}

function numeral(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError('JSON cannot carry NaN or an infinity.')
  return Number.isInteger(value) ? integer(value) : String(value)
}

function integer(value: number): string {
  if (!Number.isSafeInteger(value))
    throw new TypeError('A number that is no integer of at most 2^53 - 1 must be carried as a string.')
  return String(value)
}

function items(list: readonly unknown[], numeral: Numeral, depth: number): string {
  let text = '['
  for (let index = 0; index < list.length; index++)
    text += (index === 0 ? '' : ',') + textOf(list[index], numeral, depth)
  return text + ']'
}

function members(object: object, numeral: Numeral, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError('Only plain objects have a canonical form.')
  let text = ''
  // The default order of `sort` is the order of UTF-16 code units, which is what RFC 8785 §3.2.3 asks for.
  for (const key of Object.keys(object).sort())
    text += `${text === '' ? '' : ','}${quoted(key)}:${textOf((object as Record<string, unknown>)[key], numeral, depth)}`
  return `{${text}}`
}
