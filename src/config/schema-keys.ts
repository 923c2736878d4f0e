import type { z } from 'zod'
import { PrincipalEntry } from '../identity/directory.ts'
import { ElevationRequest } from './documents.ts'
import type { Place } from './fields.ts'
import { configSchema } from './schema.ts'
import { serviceSection } from './sections.ts'

/** Every key that may stand somewhere in a configuration: what is offered when somebody mistypes one. */
export function knownKeys(place: Place): readonly string[] {
  // Sections that choose their schema when they see the value show nothing of it from outside.
  const behind = [serviceSection(place), PrincipalEntry, ElevationRequest]
  return [...new Set([configSchema(place), ...behind].flatMap(keysIn))]
}

/** Where a schema keeps others, whatever its kind. */
interface Parts {
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>
  readonly innerType?: z.core.$ZodType
  readonly in?: z.core.$ZodType
  readonly out?: z.core.$ZodType
  readonly element?: z.core.$ZodType
  readonly valueType?: z.core.$ZodType
  readonly options?: readonly z.core.$ZodType[]
}

function keysIn(schema: z.core.$ZodType): readonly string[] {
  const { shape = {}, innerType, in: before, out: after, element, valueType, options = [] } = schema._zod.def as Parts
  const within = [...Object.values(shape), innerType, before, after, element, valueType, ...options]
  return [...Object.keys(shape), ...within.flatMap((part) => (part ? keysIn(part) : []))]
}
