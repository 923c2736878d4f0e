import { z } from 'zod'
import { deepFrozen, isJsonObject, type Json, type JsonObject } from '../ports/json.ts'
import type {
  ArgumentProblem,
  Effect,
  Tool,
  ToolContext,
  ToolDefinition,
  ToolExample,
  ToolResult,
  Validation,
} from '../ports/tool.ts'

/** A governed tool as its author writes it. `Args` is what `args` accepts; everything else follows from it. */
export interface ToolSpec<Args extends object> {
  readonly name: string
  readonly title: string
  readonly description: string
  /** Strict at every level: build it from `z.strictObject`. */
  readonly args: z.ZodType<Args>
  /**
   * What the structured result holds after redaction: no formats, and personal fields optional, because a rule may drop
   * them. Absent for a tool whose result is content alone.
   */
  readonly result?: z.ZodType
  readonly effect: Effect
  readonly annotations: ToolDefinition['annotations']
  readonly costUsd: number
  readonly examples: readonly ToolExample[]
  readonly returnsPii?: boolean
  readonly sinks?: readonly string[]
  /** Any one of these makes the tool visible to a caller. */
  readonly visibleWith: readonly string[]
  readonly scopes: (args: Args) => readonly string[]
  /** Fields of the result the caller asks to have masked. */
  readonly masks?: (args: Args) => readonly string[]
  readonly destination?: (args: Args) => URL
  readonly preview?: (args: Args, context: ToolContext) => Promise<JsonObject>
  readonly invoke: (args: Args, context: ToolContext) => Promise<ToolResult>
}

/**
 * Makes a tool. The wire schemas are generated here, once. Throws when the arguments are not closed to unknown fields,
 * because such a tool would let a caller set what its author never thought of, and when a tool that changes something takes
 * no idempotency key.
 */
export function defineTool<Args extends object>(spec: ToolSpec<Args>): Tool {
  const needsIdemKey = spec.effect === 'write' || spec.effect === 'destructive'
  const { destination, masks, preview } = spec
  return {
    definition: definitionOf(spec, needsIdemKey),
    effect: spec.effect,
    needsIdemKey,
    costUsd: spec.costUsd,
    ...(spec.returnsPii !== undefined && { returnsPii: spec.returnsPii }),
    ...(spec.sinks && { sinks: spec.sinks }),
    visibleWith: spec.visibleWith,
    examples: spec.examples,
    validate: (args) => validate(spec.args, args),
    scopes: (args) => spec.scopes(args as Args),
    ...(masks && { masks: (args: JsonObject) => masks(args as Args) }),
    ...(destination && { destination: (args: JsonObject) => destination(args as Args) }),
    ...(preview && { preview: async (args: JsonObject, context: ToolContext) => preview(args as Args, context) }),
    invoke: async (args, context) => spec.invoke(args as Args, context),
  }
}

/**
 * `idemKey` stands in `required` on the wire, so that agents send it. `validate` lets its absence pass, because a missing
 * key is refused later, with a code of its own, after policy has spoken.
 */
function definitionOf<Args extends object>(spec: ToolSpec<Args>, needsIdemKey: boolean): ToolDefinition {
  const input = wireSchema(spec.args, 'input')
  assertClosed(spec.name, input)
  if (needsIdemKey) assertKeyed(spec.name, input)
  const required = [
    ...((input['required'] as readonly string[] | undefined) ?? []),
    ...(needsIdemKey ? ['idemKey'] : []),
  ]
  return deepFrozen({
    name: spec.name,
    title: spec.title,
    description: spec.description,
    inputSchema: { ...input, required },
    ...(spec.result && { outputSchema: wireSchema(spec.result, 'output') }),
    annotations: spec.annotations,
  })
}

function wireSchema(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  return z.toJSONSchema(schema, { target: 'draft-2020-12', io }) as JsonObject
}

function assertClosed(tool: string, schema: Json): void {
  if (schema === null || typeof schema !== 'object') return
  if ('type' in schema && schema.type === 'object' && schema.additionalProperties !== false) {
    throw new Error(`The arguments of ${tool} accept unknown fields. Build them from z.strictObject.`)
  }
  for (const part of Object.values(schema)) assertClosed(tool, part)
}

/** A key that is no UUID could be the same for two changes. */
function assertKeyed(tool: string, { properties }: JsonObject): void {
  const key = isJsonObject(properties) ? properties['idemKey'] : undefined
  if (isJsonObject(key) && key['format'] === 'uuid') return
  throw new Error(`${tool} changes something, so its arguments need \`idemKey: idemKey.exactOptional()\`, a UUID.`)
}

/** Most problems one answer names. */
const problemsMax = 16

function validate(schema: z.ZodType, args: Json): Validation {
  const parsed = schema.safeParse(args)
  if (parsed.success) return { ok: true, args: deepFrozen(parsed.data as JsonObject) }
  return { ok: false, problems: parsed.error.issues.flatMap(problemsOf).slice(0, problemsMax) }
}

/** An unknown field is named by its own path; anything else by the path of the field it is about. Never by its value. */
function problemsOf(issue: z.core.$ZodIssue): readonly ArgumentProblem[] {
  const field = issue.path.join('.')
  if (issue.code !== 'unrecognized_keys') return [{ field, message: lowered(issue.message), unknown: false }]
  return issue.keys.map((key) => ({
    field: field === '' ? key : `${field}.${key}`,
    message: 'is not a field of this tool',
    unknown: true,
  }))
}

function lowered(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1)
}
