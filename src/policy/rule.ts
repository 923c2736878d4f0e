import { z } from 'zod'
import type { FieldRule, Mode } from '../dlp/finding.ts'
import { textMax } from '../expression/lex.ts'
import { Example } from './example.ts'

export type Literal = string | number | boolean

/**
 * What must be true of a call, all of it: `tool` (a name, a pattern with `*`, or a list), `cond` (an expression), and facts by
 * dotted name. A fact equals its literal, or one of a list; `"*"` asks only that it is there.
 */
export type Conditions = Readonly<Record<string, Literal | readonly Literal[]>>

/** One rule as it stands in a file. */
export interface Rule {
  /** Its id, unique over all files loaded together. */
  readonly rule: string
  readonly when: Conditions
  /** The rule does not match when all of these hold. */
  readonly unless?: Conditions
  /** Absent: the rule only adds its obligations to calls that others allow. */
  readonly decision?: 'allow' | 'deny' | 'require_approval'
  /** The sentence an agent reads after `Denied: `. */
  readonly reason?: string
  readonly redact?: readonly FieldRule[]
  /** Region that must serve the call. */
  readonly route?: string
  /** `shadow` rules are recorded, never obeyed. Absent means `enforce`. */
  readonly mode?: 'enforce' | 'shadow'
  /** Calls and what must become of them; `policy test` runs them. */
  readonly examples?: readonly Example[]
}

/** A rule and where it stands. */
export interface PlacedRule extends Rule {
  readonly at: { readonly file: string; readonly line: number }
}

const modes = ['mask', 'partial', 'hash', 'drop', 'block'] as const satisfies readonly Mode[]

/** Whole numbers only as far as every reader carries them, and no lone surrogates: the digest of the rules must exist. */
const literal = z.union([
  z
    .string()
    .max(textMax)
    .refine((text) => text.isWellFormed()),
  z.number().refine((number) => !Number.isInteger(number) || Number.isSafeInteger(number)),
  z.boolean(),
])

const wanted = z.union([literal, z.array(literal).min(1).max(256)], {
  error: 'must be a text, a number, true, false, or a list of these; write "*" to ask only that the fact is there',
})

export const Conditions: z.ZodType<Conditions> = z
  .record(z.string().max(256), wanted, { error: 'must be a map of facts, e.g. { tool: "flag.set" }' })
  .refine((map) => Object.keys(map).length > 0, 'must name at least one fact; write { tool: "*" } for every call')
  .refine((map) => Object.keys(map).length <= 32, 'names more than 32 facts')
  .refine((map) => Object.keys(map).every((key) => key.isWellFormed()), 'holds a key that is not well-formed text')

const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must be one line without control characters')

export const Rule: z.ZodType<Rule> = z
  .strictObject({
    rule: z
      .string()
      .regex(/^[A-Za-z0-9][\w.-]{0,127}$/, 'must be an id of letters, digits, point, dash and underscore, at most 128'),
    when: Conditions,
    unless: Conditions.exactOptional(),
    decision: z.enum(['allow', 'deny', 'require_approval']).exactOptional(),
    reason: line(300).exactOptional(),
    redact: z
      .array(z.strictObject({ field: line(256), mode: z.enum(modes) }))
      .min(1)
      .max(64)
      .exactOptional(),
    route: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be a region name such as eu-west')
      .exactOptional(),
    mode: z.enum(['enforce', 'shadow']).exactOptional(),
    examples: z.array(Example).max(100).exactOptional(),
  })
  .refine((rule) => rule.decision !== undefined || rule.redact !== undefined || rule.route !== undefined, {
    error: 'does nothing; give it a decision, redact or route',
  })
