import { z } from 'zod'
import type { JsonObject } from '../ports/json.ts'
import { advice } from './advice.ts'
import { codes, type Denied } from './outcome.ts'

const ms = z.number().min(0)

const limit = z
  .object({
    name: z.string().describe('E.g. `rpm`, `tenant.rpm`, `daily_cost_usd`, `max_plan_depth`.'),
    max: z.number(),
    resetMs: ms.exactOptional().describe('Milliseconds until it is as if nothing had been used.'),
  })
  .describe('The limit that was met, and its size.')

const elevate = z
  .object({
    scopes: z.array(z.string()).exactOptional().describe('Scopes that the call lacks.'),
    field: z.string().exactOptional().describe('The argument that proves the permission.'),
    request: z.string().exactOptional().describe('The request that a person has to decide, where one is open.'),
    how: z.string(),
  })
  .describe('How to ask for what is missing.')

/** The schema of the one object that every refusal carries. Open: fields may be added, none will be taken away. */
const Denied: z.ZodType<Denied> = z.object({
  code: z.union(codes.map((code) => z.literal(code).describe(advice[code].how))),
  message: z.string().describe('What was wrong and what to do, in a sentence.'),
  field: z.string().exactOptional().describe('The argument to change, as a dotted path.'),
  limit: limit.exactOptional(),
  retryAfterMs: ms.exactOptional().describe('Milliseconds to wait before the same call can succeed.'),
  elevate: elevate.exactOptional(),
})

const { $schema, ...generated } = z.toJSONSchema(Denied, { io: 'input' })

/** The same as JSON Schema 2020-12, as it is published: what to do about each code is its description. */
export const deniedSchema = {
  $schema,
  title: 'A refusal by Sluicegate',
  description:
    'The `denied` object of a refused call: in structuredContent of a tool error, or in data of a JSON-RPC error.',
  ...generated,
} as unknown as JsonObject

/** The same without prose and with any code, for output schemas: a client must be able to read codes that are newer than what it was told. */
export const deniedShape: JsonObject = {
  ...plain(generated as unknown as JsonObject),
  properties: { ...(plain(generated as unknown as JsonObject)['properties'] as JsonObject), code: { type: 'string' } },
}

function plain(schema: JsonObject): JsonObject {
  const told = Object.entries(schema).filter(([key, value]) => key !== 'description' || typeof value !== 'string')
  const walk = (value: JsonObject[string]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? plain(value as JsonObject) : value
  return Object.fromEntries(told.map(([key, value]) => [key, walk(value)]))
}
