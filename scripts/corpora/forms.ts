import { z } from 'zod'
import type { Json } from '../../src/ports/json.ts'
import type { EgressRow } from './egress.ts'
import type { BytesRow } from './json-bytes.ts'
import type { MessageRow } from './messages.ts'
import type { OperatorRow } from './operators.ts'
import type { TokenRow } from './tokens.ts'

/* The forms of the rows, as their datasheet gives them. A label that nobody knows is no row: it must not count as harmless. */

const id = z.string().min(1)

export const egressForm: z.ZodType<EgressRow> = z.object({
  id,
  url: z.string(),
  base: z.string().exactOptional(),
  host: z.string().exactOptional(),
  dns: z.record(z.string(), z.array(z.string())).exactOptional(),
  expect: z.enum(['block', 'allow', 'either']),
})

export const tokenForm: z.ZodType<TokenRow> = z.object({
  id,
  jwk: z.looseObject({ keys: z.array(z.looseObject({})).exactOptional() }),
  jws: z.string(),
  gateway: z.string().regex(/^(reject|signature ok)/),
  label_suspect: z.unknown().exactOptional(),
})

export const bytesForm: z.ZodType<BytesRow> = z
  .object({
    id,
    b64: z.string().exactOptional(),
    gz64: z.string().exactOptional(),
    gateway: z.string().regex(/^(reject|parse)/),
  })
  .refine(({ b64, gz64 }) => (b64 === undefined) !== (gz64 === undefined))

export const messageForm: z.ZodType<MessageRow> = z.object({
  id,
  def: z.string(),
  value: z.custom<Json>((value) => value !== undefined),
  expect: z.string().regex(/^(accept|reject)/),
})

export const operatorsForm: z.ZodType<{ readonly operators: readonly OperatorRow[] }> = z.object({
  operators: z.array(z.object({ id, allow: z.boolean().exactOptional() })),
})
