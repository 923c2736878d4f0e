import type { FieldRule, Mode } from './finding.ts'
import { keyFacts } from './keys.ts'

/** Strictest last. Where several rules match one value, the later of their modes here wins. */
const strictness: readonly Mode[] = ['partial', 'hash', 'mask', 'drop', 'block']

export function stricter(a: Mode | undefined, b: Mode | undefined): Mode | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return strictness.indexOf(a) >= strictness.indexOf(b) ? a : b
}

/** Where a walk stands among the rules' paths. Opaque; pass it from a value to its members. */
export type Place = readonly Step[]

/** One step of the paths that share it. */
interface Step {
  readonly next: Map<string, Step>
  mode?: Mode
}

export interface Fields {
  /** Where the walk begins. */
  readonly root: Place
  /** Where a member is, and the mode of the rules that end there. */
  enter(place: Place, key: string, inArray: boolean): { readonly place: Place; readonly mode?: Mode }
}

/**
 * Compiles field rules. A name (`email`) or a path (`customer.email`) matches at any depth, with or without `$..` before it; `$.` pins
 * it to the root; `*` is any member or element. Elements of an array need no step of their own: `rows.phone` is `rows.*.phone`.
 * Names compare without case, `_`, `-` and spaces. Throws a TypeError for a field that `fieldProblem` refuses.
 */
export function compileFields(rules: readonly FieldRule[]): Fields {
  const anywhere: Step = { next: new Map() }
  const rooted: Step = { next: new Map() }
  for (const { field, mode } of rules) {
    const problem = fieldProblem(field)
    if (problem !== undefined) throw new TypeError(problem)
    const names = segments(field)
    const step = extend(isPinned(field) ? rooted : anywhere, names)
    step.mode = stricter(step.mode, mode) ?? mode
  }
  const always = anywhere.next.size > 0 ? [anywhere] : []
  return {
    root: rooted.next.size > 0 ? [...always, rooted] : always,
    enter: (place, key, inArray) => (place.length === 0 ? nowhere : enter(place, key, inArray, always)),
  }
}

const nowhere = { place: [] }

/** Why a field cannot be a rule, in one sentence, or undefined. */
export function fieldProblem(field: string): string | undefined {
  const plain = field.replace(/\[(\*|\d+)\]/g, '.$1').replace(/^\$(\.\.?)/, '')
  const sound = plain !== '' && plain.split('.').every((name) => name.trim() !== '') && !/[$[\]?@()]/.test(plain)
  if (sound) return undefined
  return `"${field}" is not a field: write a name (email), a path (customer.email, rows.*.phone), or a path from the root ($.customer.email).`
}

function segments(field: string): readonly string[] {
  return field
    .replace(/\[(\*|\d+)\]/g, '.$1')
    .replace(/^\$\.\.?/, '')
    .split('.')
    .map((name) => (name === '*' ? '*' : keyFacts(name).name || name))
}

function isPinned(field: string): boolean {
  return field.startsWith('$.') && !field.startsWith('$..')
}

function extend(from: Step, names: readonly string[]): Step {
  let step = from
  for (const name of names) {
    const next = step.next.get(name) ?? { next: new Map() }
    step.next.set(name, next)
    step = next
  }
  return step
}

function enter(place: Place, key: string, inArray: boolean, always: Place): { place: Place; mode?: Mode } {
  const name = inArray ? key : keyFacts(key).name || key
  const reached = place.flatMap((step) => stepsTo(step, name))
  const stays = inArray ? place.filter((step) => hasNames(step) && !always.includes(step)) : []
  const mode = reached.reduce<Mode | undefined>((mode, step) => stricter(mode, step.mode), undefined)
  return { place: [...always, ...stays, ...reached], ...(mode !== undefined && { mode }) }
}

function stepsTo(step: Step, name: string): readonly Step[] {
  const exact = step.next.get(name)
  const any = step.next.get('*')
  if (exact === undefined) return any === undefined ? [] : [any]
  return any === undefined || any === exact ? [exact] : [exact, any]
}

/** True when the step waits for a member's name, so that an element in between is passed over. */
function hasNames(step: Step): boolean {
  for (const name of step.next.keys()) if (name !== '*' && !/^\d+$/.test(name)) return true
  return false
}
