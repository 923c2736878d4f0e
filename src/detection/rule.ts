import { z } from 'zod'
import type { Json } from '../ports/json.ts'
import type { Severity } from './alert.ts'
import { Analytic } from './analytic.ts'
import { categories, type Category } from './event.ts'
import { Example } from './example.ts'
import { Period } from './period.ts'
import { Reaction } from './reaction.ts'

/** Severities, mildest first. High and critical page; medium goes to chat; the rest to the console. */
export const severities: readonly Severity[] = ['informational', 'low', 'medium', 'high', 'critical']

/** Named selections and the condition that joins them. Sigma 2.1. */
interface Detection {
  readonly condition: string
  readonly selections: Readonly<Record<string, Json>>
}

/** Joins the matches of other rules. Sigma 2.1 correlation, with absence (`temporal` whose condition says `not`), `grace` and `missing`. */
export interface Correlation {
  readonly type: 'temporal' | 'temporal_ordered' | 'event_count' | 'value_count'
  readonly rules: readonly string[]
  readonly 'group-by': readonly string[]
  readonly aliases?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly timespan: number
  /** Absence: an expression over rule names. Counts: how many, and for `value_count` of what. */
  readonly condition?: string | { readonly gte: number; readonly field?: string }
  /** What becomes of a match without one of the group's fields. */
  readonly missing?: 'skip'
  /** How long an absent event may still arrive. */
  readonly grace?: number
}

export interface Suppress {
  readonly by: readonly string[]
  readonly for: number
  /** Without one of the fields: alert every time, or treat missing as one more value. */
  readonly missing?: 'alert' | 'suppress'
}

/** One detection: a Sigma 2.1 document and what Sigma lacks. Field names are the file's; periods are milliseconds. */
export interface Rule {
  readonly title: string
  readonly id: string
  readonly name: string
  readonly version: number
  readonly status: 'stable' | 'test' | 'experimental'
  readonly description?: string
  readonly level: Severity
  readonly tags: readonly string[]
  readonly logsource?: { readonly product: 'sluicegate'; readonly category: Category }
  readonly analytics: Readonly<Record<string, Analytic>>
  readonly detection?: Detection
  readonly where?: string
  readonly correlation?: Correlation
  readonly level_when: readonly { readonly if: string; readonly level: Severity }[]
  readonly suppress?: Suppress
  readonly falsepositives: readonly string[]
  readonly runbook?: string
  readonly response: readonly Reaction[]
  readonly tests: readonly Example[]
}

const line = z.string().min(1).max(256)
const name = z.string().regex(/^[a-z][a-z0-9_]{2,63}$/, 'is no rule name: lower case letters, digits and _')
const level = z.enum(['informational', 'low', 'medium', 'high', 'critical'])
const fields = z.array(line).min(1).max(8)
const expression = z.string().min(1).max(4_096)

const Detection: z.ZodType<Detection> = z
  .looseObject({ condition: expression })
  .transform(({ condition, ...selections }) => ({ condition, selections: selections as Record<string, Json> }))

const aliasesOfPeers = { temporal_extended: 'temporal', temporal_ordered_extended: 'temporal_ordered' } as const

const CorrelationType = z.preprocess(
  (type) =>
    typeof type === 'string' && Object.hasOwn(aliasesOfPeers, type)
      ? aliasesOfPeers[type as keyof typeof aliasesOfPeers]
      : type,
  z.enum(['temporal', 'temporal_ordered', 'event_count', 'value_count']),
)

const Correlation = z.strictObject({
  type: CorrelationType,
  rules: z.array(name).min(1).max(8),
  'group-by': fields,
  aliases: z.record(line, z.record(name, line)).exactOptional(),
  timespan: Period,
  condition: z
    .union([expression, z.strictObject({ gte: z.int().min(1).max(1_000), field: line.exactOptional() })])
    .exactOptional(),
  missing: z.literal('skip').exactOptional(),
  grace: Period.exactOptional(),
})

const Suppress: z.ZodType<Suppress> = z.strictObject({
  by: fields,
  for: Period,
  missing: z.enum(['alert', 'suppress']).exactOptional(),
})

const RuleShape = z.strictObject({
  title: line,
  id: z.uuid('is no UUID'),
  name,
  version: z.int().min(1),
  status: z.enum(['stable', 'test', 'experimental']),
  description: z.string().max(4_096).exactOptional(),
  author: line.exactOptional(),
  date: line.exactOptional(),
  modified: line.exactOptional(),
  license: line.exactOptional(),
  references: z.array(line).max(32).exactOptional(),
  related: z.array(z.strictObject({ id: z.uuid(), type: line })).exactOptional(),
  tags: z.array(line).max(32).default([]),
  taxonomy: z.literal('sluicegate').exactOptional(),
  logsource: z.strictObject({ product: z.literal('sluicegate'), category: z.enum(categories) }).exactOptional(),
  analytics: z
    .record(z.string().regex(/^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$/, 'is no dotted field name'), Analytic)
    .default({}),
  detection: Detection.exactOptional(),
  where: expression.exactOptional(),
  correlation: Correlation.exactOptional(),
  fields: z.array(line).max(32).exactOptional(),
  falsepositives: z.array(z.string().max(512)).default([]),
  level,
  level_when: z
    .array(z.strictObject({ if: expression, level }))
    .max(8)
    .default([]),
  suppress: Suppress.exactOptional(),
  runbook: line.exactOptional(),
  response: z.array(Reaction).max(8).default([]),
  tests: z.array(Example).max(200).default([]),
})

/** The schema of one document of a rule file. */
export const Rule: z.ZodType<Rule> = RuleShape.superRefine((rule, context) => {
  const complain = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
  if ((rule.detection === undefined) === (rule.correlation === undefined))
    complain('detection', 'a rule has either detection or correlation')
  if (rule.detection && !rule.logsource) complain('logsource', 'a detection needs a logsource with a category')
  if (rule.where !== undefined && !rule.detection) complain('where', 'where belongs to a detection')
  if (rule.correlation && Object.keys(rule.analytics).length > 0)
    complain('analytics', 'features belong to base rules; a correlation has none of its own')
})
