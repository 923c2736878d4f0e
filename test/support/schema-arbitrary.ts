import fc from 'fast-check'
import { isJsonObject, type Json, type JsonObject } from '../../src/ports/json.ts'

/** Arguments that break a schema in one place, and the field that must be named for it. */
export interface Broken {
  readonly args: JsonObject
  readonly field: string
  /** What was done to it. */
  readonly how: string
}

/** Values for fields whose meaning is narrower than their schema, by name. */
export type Narrower = Readonly<Record<string, fc.Arbitrary<Json>>>

/** Values that fit a JSON Schema (2020-12). Throws for a keyword it does not know: nothing is skipped in silence. */
export function validFor(schema: JsonObject, narrower: Narrower = {}): fc.Arbitrary<Json> {
  assertKnown(schema)
  const { enum: words, const: only, type } = schema
  if (Array.isArray(words)) return fc.constantFrom(...(words as readonly Json[]))
  if (only !== undefined) return fc.constant(only)
  switch (type) {
    case 'string':
      return texts(schema)
    case 'integer':
      return fc.integer({ min: bound(schema, 'minimum', -(2 ** 40)), max: bound(schema, 'maximum', 2 ** 40) })
    case 'number':
      return numbers(schema)
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(validFor(schema['items'] as JsonObject), {
        minLength: bound(schema, 'minItems', 0),
        maxLength: bound(schema, 'maxItems', 5),
      })
    case 'object':
      return objects(schema, narrower)
    default:
      throw new Error(`This schema has no type that can be generated: ${JSON.stringify(schema)}`)
  }
}

/** Arguments for an object schema with one fault in one field. */
export function brokenFor(schema: JsonObject, narrower: Narrower = {}): fc.Arbitrary<Broken> {
  const fields = Object.entries(propertiesOf(schema))
  const required = requiredOf(schema)
  const faults = fields.flatMap(([field, part]) => [
    ...faultsOf(part).map(([how, values]) =>
      values.map((value) => ({ field, how, change: (args: JsonObject): JsonObject => ({ ...args, [field]: value }) })),
    ),
    ...(required.includes(field) ? [fc.constant({ field, how: 'left out', change: without(field) })] : []),
  ])
  const unknown = fc
    .stringMatching(/^[a-z][A-Za-z_]{2,12}$/)
    .filter((name) => !fields.some(([field]) => field === name) && name !== 'constructor')
    .map((field) => ({ field, how: 'unknown', change: (args: JsonObject): JsonObject => ({ ...args, [field]: 1 }) }))
  return fc
    .tuple(validFor(schema, narrower), fc.oneof(unknown, ...faults))
    .map(([args, { field, how, change }]) => ({ args: change(args as JsonObject), field, how }))
}

const known = new Set([
  '$schema',
  'type',
  'enum',
  'const',
  'pattern',
  'format',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'items',
  'minItems',
  'maxItems',
  'properties',
  'required',
  'additionalProperties',
  'description',
  'title',
])

function assertKnown(schema: JsonObject): void {
  const other = Object.keys(schema).filter((keyword) => !known.has(keyword))
  if (other.length > 0) throw new Error(`Not generated yet: ${other.join(', ')}`)
}

function texts(schema: JsonObject): fc.Arbitrary<string> {
  const { pattern } = schema
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern))
  const maxLength = Math.min(bound(schema, 'maxLength', 200), 200)
  return fc.string({ minLength: bound(schema, 'minLength', 0), maxLength })
}

/** Without -0, which JSON writes as 0. */
function numbers(schema: JsonObject): fc.Arbitrary<number> {
  const range = { min: bound(schema, 'minimum', -1e6), max: bound(schema, 'maximum', 1e6) }
  return fc.double({ ...range, noNaN: true }).map((value) => value + 0)
}

function objects(schema: JsonObject, narrower: Narrower): fc.Arbitrary<JsonObject> {
  const parts = Object.entries(propertiesOf(schema)).map(([field, part]) => [field, narrower[field] ?? validFor(part)])
  const model = Object.fromEntries(parts) as Record<string, fc.Arbitrary<Json>>
  return fc.record(model, { requiredKeys: [...requiredOf(schema)], noNullPrototype: true })
}

type Fault = readonly [how: string, values: fc.Arbitrary<Json>]

/** What no value of a schema looks like. */
function faultsOf(schema: JsonObject): readonly Fault[] {
  const { type, enum: words, pattern } = schema
  const wrongTypes: readonly Json[] = [null, true, 7.5, 'text?!', [], [1], {}, { a: 1 }]
  const others = wrongTypes.filter((value) => !isOfType(value, String(type)))
  const faults: Fault[] = [['of another type', fc.constantFrom(...others)]]
  const { minimum, maximum, maxLength, maxItems } = schema
  if (typeof minimum === 'number') faults.push(['too small', fc.constantFrom(minimum - 1, minimum - 1e9)])
  if (typeof maximum === 'number') faults.push(['too large', fc.constantFrom(maximum + 1, maximum + 1e9)])
  if (type === 'integer') faults.push(['not whole', fc.constantFrom(1.5, 2.000_001)])
  if (typeof maxLength === 'number' && maxLength < 4096)
    faults.push(['too long', fc.constant('x'.repeat(maxLength + 1))])
  if (typeof maxItems === 'number')
    faults.push([
      'too many',
      validFor(schema['items'] as JsonObject).map((one) => Array(maxItems + 1).fill(one) as Json),
    ])
  if (Array.isArray(words)) faults.push(['no such word', fc.string().filter((word) => !words.includes(word))])
  if (typeof pattern === 'string')
    faults.push(['misshapen', fc.string({ minLength: 1 }).filter((text) => !new RegExp(pattern).test(text))])
  return faults
}

function isOfType(value: Json, type: string): boolean {
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isJsonObject(value)
  if (type === 'integer' || type === 'number') return typeof value === 'number'
  return typeof value === type || (type === 'null' && value === null)
}

const propertiesOf = (schema: JsonObject) => (schema['properties'] ?? {}) as Record<string, JsonObject>
const requiredOf = (schema: JsonObject) => (schema['required'] ?? []) as readonly string[]

function bound(schema: JsonObject, keyword: string, otherwise: number): number {
  const value = schema[keyword]
  return typeof value === 'number' ? value : otherwise
}

const without =
  (field: string) =>
  (args: JsonObject): JsonObject =>
    Object.fromEntries(Object.entries(args).filter(([name]) => name !== field))
