import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Json, JsonObject } from '../../../src/ports/json.ts'
import { builtInTools } from '../../../src/tools/built-in.ts'
import { defineTool } from '../../../src/tools/define.ts'
import { flagSet } from '../../../src/tools/flag-set.ts'

const named = builtInTools.map((tool) => [tool.definition.name, tool] as const)
const idemKey = '6f1c2a34-58d1-4c8e-9f0b-2a7d5e3c1b90'

const good: Readonly<Record<string, JsonObject>> = {
  'orders.export': { from: '2025-09-01', to: '2025-09-02', mask: ['email'] },
  'flag.set': { name: 'checkout_v2', env: 'prod', rolloutPct: 12.5, ticket: 'CHG-1042', idemKey },
  'web.fetchSafe': { url: 'https://api.example.com/x?y=1', body: 'ü' },
  'crm.bulk_update': { segment: 'vip', set: { tier: 'free', marketingOptIn: false }, count: 1, ticket: 'T1', idemKey },
}

/** Every object inside a value, with its path. */
function objectsIn(value: Json, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  return [path, ...Object.entries(value).flatMap(([key, part]) => objectsIn(part, [...path, key]))]
}

/** A copy with one more field at a path. */
function withField(value: JsonObject, [head, ...rest]: readonly string[], field: string): JsonObject {
  if (head === undefined)
    return JSON.parse(JSON.stringify(value).replace(/\}$/, `,${JSON.stringify(field)}:1}`)) as JsonObject
  return { ...value, [head]: withField(value[head] as JsonObject, rest, field) }
}

describe.each(named)('%s', (name, tool) => {
  const args = good[name] ?? {}

  it('accepts good arguments and gives a fresh, deeply frozen object', () => {
    const validated = tool.validate(args)
    if (!validated.ok) throw new Error(JSON.stringify(validated.problems))
    expect(validated.args).toEqual(args)
    expect(validated.args).not.toBe(args)
    for (const path of objectsIn(validated.args)) {
      expect(Object.isFrozen(path.reduce<Json>((part, key) => (part as JsonObject)[key] as Json, validated.args))).toBe(
        true,
      )
    }
    for (const part of Object.values(validated.args)) expect(Object.isFrozen(part)).toBe(true)
  })

  it.each(['tenant', 'isAdmin', '__proto__', 'constructor', 'toString', ''])(
    'names the unknown field %j at every level',
    (field) => {
      for (const path of objectsIn(args)) {
        const validated = tool.validate(withField(args, path, field))
        const expected = { field: [...path, field].join('.'), message: expect.any(String) as string, unknown: true }
        expect(validated).toEqual({ ok: false, problems: [expected] })
      }
    },
  )

  it.each([null, 1, 'text', true, []])('refuses %j instead of an object', (value) => {
    expect(tool.validate(value)).toMatchObject({ ok: false, problems: [{ field: '', unknown: false }] })
  })

  it('never repeats a value in a problem', () => {
    const secret = 'secret-value-nobody-may-see'
    for (const key of Object.keys(args)) {
      const validated = tool.validate({ ...args, [key]: `${secret} ${'x'.repeat(300_000)}` })
      expect(JSON.stringify(validated)).not.toContain(secret)
    }
  })

  it('publishes a closed schema that agrees with its validator', () => {
    const { inputSchema } = tool.definition
    const agrees = new Ajv2020({ strict: false, validateFormats: false }).compile(inputSchema)
    expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(agrees(args)).toBe(true)
    for (const path of objectsIn(args)) expect(agrees(withField(args, path, 'tenant'))).toBe(false)
  })

  it('describes every argument for those who cannot ask', () => {
    const properties = tool.definition.inputSchema['properties'] as Readonly<Record<string, JsonObject>>
    const silent = Object.entries(properties).filter(([, schema]) => typeof schema['description'] !== 'string')
    expect(silent.map(([field]) => field)).toEqual([])
  })

  it('asks for an idempotency key on the wire exactly when a call needs one, and lets the pipeline refuse its absence', () => {
    const required = tool.definition.inputSchema['required'] as readonly string[]
    expect(required.includes('idemKey')).toBe(tool.needsIdemKey)
    const { idemKey: _key, ...without } = args
    expect(tool.validate(without).ok).toBe(true)
  })
})

describe('the idempotency key', () => {
  const set = (key: string) => flagSet.validate({ name: 'x', env: 'dev', rolloutPct: 1, idemKey: key })

  it('has one spelling', () => {
    const validated = set(idemKey.toUpperCase())
    expect(validated).toMatchObject({ ok: true, args: { idemKey } })
  })

  it.each(['', 'abc', `${idemKey} `, `{${idemKey}}`, idemKey.replaceAll('-', '')])('must be a UUID: %j', (key) => {
    expect(set(key)).toMatchObject({ ok: false, problems: [{ field: 'idemKey' }] })
  })
})

describe('defining a tool', () => {
  const spec = {
    name: 'loose',
    title: '',
    description: '',
    effect: 'read' as const,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    costUsd: 0,
    examples: [],
    visibleWith: [],
    scopes: () => [],
    invoke: async () => ({}),
  }

  it('is refused when the arguments accept unknown fields, at any depth', () => {
    expect(() => defineTool({ ...spec, args: z.object({ a: z.string() }) })).toThrow('loose accept unknown fields')
    expect(() =>
      defineTool({ ...spec, args: z.strictObject({ list: z.array(z.looseObject({ b: z.string() })) }) }),
    ).toThrow('Build them from z.strictObject')
    expect(() => defineTool({ ...spec, args: z.strictObject({ any: z.record(z.string(), z.string()) }) })).toThrow(
      'loose',
    )
  })
})
