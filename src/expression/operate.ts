import type { Arithmetic, Operator } from './tree.ts'

/** False-like: missing, null, false, 0, not a number, '' and []. All else, an empty object too, is true-like. */
export function truthy(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value)
}

/** Needs two numbers and a finite result; everything else is missing. */
export function compute(op: Arithmetic, left: unknown, right: unknown): number | undefined {
  if (typeof left !== 'number' || typeof right !== 'number') return undefined
  const result = arithmetic[op](left, right)
  return Number.isFinite(result) ? result : undefined
}

const arithmetic: Readonly<Record<Arithmetic, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
}

type Test = (left: unknown, right: unknown) => boolean

/** Every operator but `matches`, which is compiled from its pattern. */
export const tests: Readonly<Record<Exclude<Operator, 'matches'>, Test>> = {
  '==': same,
  '!=': (left, right) => !same(left, right),
  '<': ordered((order) => order < 0),
  '<=': ordered((order) => order <= 0),
  '>': ordered((order) => order > 0),
  '>=': ordered((order) => order >= 0),
  in: (left, right) => Array.isArray(right) && some(left, (one) => right.some((other) => same(one, other))),
  contains,
  startswith: onText((left, right) => left.startsWith(right)),
  endswith: onText((left, right) => left.endsWith(right)),
}

/** Deepest list or object that equality looks into; deeper ones are unequal. */
const equalityDepthMax = 32

/** Equal in type and value, lists and objects part by part. A missing value equals nothing, not even another missing one. */
function same(left: unknown, right: unknown, depth = 0): boolean {
  if (left === undefined || right === undefined) return false
  if (left === right) return true
  if (depth === equalityDepthMax || typeof left !== 'object' || typeof right !== 'object' || !left || !right)
    return false
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const [ones, others] = [Object.entries(left), new Map<string, unknown>(Object.entries(right))]
  return ones.length === others.size && ones.every(([key, one]) => same(one, others.get(key), depth + 1))
}

/** Two numbers, or two texts by UTF-16 unit; anything else has no order. */
function ordered(holds: (order: number) => boolean): Test {
  return (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return holds(left - right)
    if (typeof left === 'string' && typeof right === 'string') return holds(left < right ? -1 : left > right ? 1 : 0)
    return false
  }
}

/** A text that holds another, or a list that holds an element; of a list on the right any will do. */
function contains(left: unknown, right: unknown): boolean {
  return some(right, (one) => {
    if (Array.isArray(left)) return left.some((element) => same(element, one))
    return typeof left === 'string' && typeof one === 'string' && left.includes(one)
  })
}

/** Any text on the left against any text on the right. */
function onText(holds: (left: string, right: string) => boolean): Test {
  return (left, right) =>
    some(
      left,
      (one) => typeof one === 'string' && some(right, (other) => typeof other === 'string' && holds(one, other)),
    )
}

/** The value itself, or any element of a list. */
export function some(value: unknown, holds: (one: unknown) => boolean): boolean {
  return Array.isArray(value) ? value.some(holds) : holds(value)
}
