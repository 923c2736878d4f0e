import { globTest } from '../expression/glob.ts'
import type { Lookup } from '../expression/compile.ts'
import { isJsonObject, type Json } from '../ports/json.ts'

/** One comparison of a selection, kept so that an alert can say what it saw. */
export interface Atom {
  readonly field: string
  /** The comparison in words: `>= 6`, `is known`. */
  readonly told: string
  readonly test: (lookup: Lookup) => boolean
}

export interface Selection {
  readonly fields: readonly string[]
  readonly atoms: readonly Atom[]
  readonly test: (lookup: Lookup) => boolean
}

/** A selection that cannot be read. The message is one sentence; the path says where. */
export class SelectionError extends Error {
  override readonly name = 'SelectionError'
  readonly path: readonly (string | number)[]
  constructor(message: string, path: readonly (string | number)[]) {
    super(message)
    this.path = path
  }
}

/** Values of `%name%` placeholders. */
export type Lists = Readonly<Record<string, readonly string[]>>

/** Names a placeholder may have: each is a list of the configuration. */
export const listNames: readonly string[] = ['bulk_vendors', 'core_vendors', 'allowed_vendors', 'canaries']

type Match = (value: unknown) => boolean

const understood = [
  'contains',
  'startswith',
  'endswith',
  'all',
  'cased',
  'gt',
  'gte',
  'lt',
  'lte',
  'neq',
  'exists',
  'expand',
] as const
type Modifier = (typeof understood)[number]

/**
 * Compiles a Sigma selection: a map (all must hold) or a list of maps (one must). Texts compare without case, `*` and `?` are
 * wildcards unless escaped, a list of values means any of them. A field that is `null` is not ready and matches nothing.
 * Throws `SelectionError` for keyword lists, `|re` and whatever else it does not implement.
 */
export function compileSelection(body: Json, lists: Lists): Selection {
  if (isJsonObject(body)) return compileMap(body, lists, [])
  if (!Array.isArray(body)) throw new SelectionError('A selection is a map of fields, or a list of such maps.', [])
  const alternatives = body.map((entry: Json, index) => {
    if (isJsonObject(entry)) return compileMap(entry, lists, [index])
    throw new SelectionError('Keyword lists are not supported: name the field.', [index])
  })
  return {
    fields: [...new Set(alternatives.flatMap(({ fields }) => fields))],
    atoms: alternatives.flatMap(({ atoms }) => atoms),
    test: (lookup) => alternatives.some(({ test }) => test(lookup)),
  }
}

function compileMap(body: Readonly<Record<string, Json>>, lists: Lists, path: readonly (string | number)[]): Selection {
  const entries = Object.entries(body)
  if (entries.length === 0) throw new SelectionError('An empty selection would match everything.', path)
  const atoms = entries.map(([key, value]) => compileAtom(key, value, lists, [...path, key]))
  return {
    fields: [...new Set(atoms.map(({ field }) => field))],
    atoms,
    test: (lookup) => atoms.every(({ test }) => test(lookup)),
  }
}

function compileAtom(key: string, value: Json, lists: Lists, path: readonly (string | number)[]): Atom {
  const [field, ...modifiers] = key.split('|') as [string, ...string[]]
  const has = (modifier: Modifier) => modifiers.includes(modifier)
  const fail = (message: string): never => {
    throw new SelectionError(message, path)
  }
  for (const modifier of modifiers) if (!isUnderstood(modifier)) fail(refusal(modifier))
  if (has('exists')) return existence(field, value, fail)

  const values = has('expand') ? expanded(value, lists, fail) : Array.isArray(value) ? value : [value]
  const literal = has('expand')
  const matches = values.map((one: Json) => matcher(one, modifiers as Modifier[], literal, fail))
  const met: Match = has('all')
    ? (seen) => matches.every((match) => some(seen, match))
    : (seen) => matches.some((match) => some(seen, match))
  const wanted: Match = has('neq') ? (seen) => seen !== null && !met(seen) : met
  return { field, told: told(modifiers as Modifier[], value), test: (lookup) => wanted(lookup(field)) }
}

const isUnderstood = (modifier: string): modifier is Modifier => (understood as readonly string[]).includes(modifier)

function refusal(modifier: string): string {
  if (modifier === 're')
    return 'Regular expressions are refused: they can take exponential time on text an attacker writes; use wildcards, contains, startswith or endswith.'
  return `The modifier "${modifier}" is not supported; there are ${understood.join(', ')}.`
}

function existence(field: string, value: Json, fail: (message: string) => never): Atom {
  if (typeof value !== 'boolean') return fail('exists takes true or false.')
  return { field, told: value ? 'is present' : 'is absent', test: (lookup) => isPresent(lookup(field)) === value }
}

const isPresent = (value: unknown) => value !== undefined && value !== null

/** The values of the named lists, as they stand: no wildcard is read into configuration. */
function expanded(value: Json, lists: Lists, fail: (message: string) => never): readonly Json[] {
  return (Array.isArray(value) ? value : [value]).flatMap((one: Json): readonly Json[] => {
    const name = typeof one === 'string' ? /^%([a-z_]+)%$/.exec(one)?.[1] : undefined
    if (name === undefined) return fail(`expand takes %list% names, such as %${listNames[0]}%.`)
    if (!listNames.includes(name)) return fail(`There is no list %${name}%; there are ${listNames.join(', ')}.`)
    return lists[name] ?? []
  })
}

function matcher(
  wanted: Json,
  modifiers: readonly Modifier[],
  literal: boolean,
  fail: (message: string) => never,
): Match {
  const order = modifiers.find((modifier) => modifier in orders) as keyof typeof orders | undefined
  if (order) {
    if (typeof wanted !== 'number') return fail(`${order} compares with a number.`)
    return (seen) => typeof seen === 'number' && orders[order](seen, wanted)
  }
  if (wanted === null) return (seen) => seen === undefined
  if (typeof wanted === 'number' || typeof wanted === 'boolean')
    return (seen) => seen === wanted || (typeof seen === 'string' && seen === String(wanted))
  if (typeof wanted === 'string') return textMatcher(wanted, modifiers, literal)
  return fail('A value is a text, a number, true, false or null.')
}

const orders = {
  gt: (seen: number, limit: number) => seen > limit,
  gte: (seen: number, limit: number) => seen >= limit,
  lt: (seen: number, limit: number) => seen < limit,
  lte: (seen: number, limit: number) => seen <= limit,
}

function textMatcher(wanted: string, modifiers: readonly Modifier[], literal: boolean): Match {
  const cased = modifiers.includes('cased')
  const open = {
    before: modifiers.includes('contains') || modifiers.includes('endswith'),
    after: modifiers.includes('contains') || modifiers.includes('startswith'),
  }
  const body = literal ? wanted.replace(/[\\*?]/g, '\\$&') : wanted
  const pattern = `${open.before ? '*' : ''}${body}${open.after ? '*' : ''}`
  const test = globTest(cased ? pattern : pattern.toLowerCase())
  return (seen) =>
    (typeof seen === 'string' || typeof seen === 'number') && test(cased ? String(seen) : String(seen).toLowerCase())
}

const some = (seen: unknown, match: Match) => (Array.isArray(seen) ? seen.some(match) : match(seen))

const symbols: Readonly<Partial<Record<Modifier, string>>> = { gt: '>', gte: '>=', lt: '<', lte: '<=' }

function told(modifiers: readonly Modifier[], value: Json): string {
  const symbol = modifiers.map((modifier) => symbols[modifier]).find((one) => one !== undefined)
  return `${symbol ?? 'is'} ${JSON.stringify(value)}`
}
