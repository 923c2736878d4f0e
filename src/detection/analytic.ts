import { z } from 'zod'
import { Period } from './period.ts'

/** How unlike the tenant's known chains a session's chain of tools is, 0 to 1. See `chain.ts`. */
export interface SequenceNovelty {
  readonly type: 'sequence_novelty'
  readonly of: string
  /** Whose habits, then what runs in order: `[tenant.id, session.id]`. */
  readonly by: readonly [string, string]
  readonly order: 3
  readonly aggregate: 'top2'
  readonly collapse_repeats: boolean
  /** A chain counts as known once so many actors showed it, in sessions that ended quietly so long ago. */
  readonly known_when: { readonly distinct_actors: number; readonly min_age: number }
  readonly peers?: { readonly tenants: true; readonly weight: number; readonly min_tenants: number }
  /** Support older than this no longer counts, milliseconds. */
  readonly baseline: number
  readonly cold_start: { readonly until_sessions: number; readonly score: null }
}

/** True for a value that the group has not used on enough days. See `seen.ts`. */
export interface FirstSeen {
  readonly type: 'first_seen'
  readonly of: string
  readonly by: readonly string[]
  readonly history: number
  readonly learning: number
  readonly known_when: { readonly distinct_days: number }
}

/** Deviations from the group's median. See `spike.ts`. */
export interface RobustZ {
  readonly type: 'robust_z'
  readonly of: string
  readonly by: readonly string[]
  readonly transform: 'log1p' | 'none'
  readonly method: 'median_mad'
  readonly min_samples: number
  /** In transformed units. */
  readonly floor_mad: number
}

/** How often the same thing happened within the window, this time included. See `repeats.ts`. */
export interface RepeatCount {
  readonly type: 'repeat_count'
  readonly of: readonly string[]
  readonly by: readonly string[]
  readonly window: number
}

/** True when the newest steps repeat a short cycle. See `repeats.ts`. */
export interface Cycle {
  readonly type: 'cycle'
  readonly of: readonly string[]
  readonly by: readonly string[]
  readonly min_period: number
  readonly max_period: number
  readonly min_repeats: number
  readonly last: number
}

/** How many near-identical values stand in the window, this one included. See `repeats.ts`. */
export interface NearDuplicateCount {
  readonly type: 'near_duplicate_count'
  readonly of: string
  readonly by: readonly string[]
  /** Bits in which two simhashes may differ. */
  readonly hamming: number
  readonly window: number
}

/** Where a call's sensitive arguments came from. Computed by the gateway; see `taint.ts`. */
export interface Provenance {
  readonly type: 'provenance'
  readonly sinks: 'tool.sinks'
  readonly sources: readonly ['tool_output']
  readonly trusted: readonly ('user_intent' | 'config' | 'allow_lists')[]
  readonly by: readonly [string]
  readonly max_values: number
}

/** A feature: a field computed before rules see the event, with its memory. */
export type Analytic = SequenceNovelty | FirstSeen | RobustZ | RepeatCount | Cycle | NearDuplicateCount | Provenance

const field = z.string().regex(/^[a-z][a-z0-9_.]{0,63}$/, 'is no field name')
const group = z.array(field).min(1).max(4)
const several = z.union([field.transform((one): readonly string[] => [one]), z.array(field).min(1).max(6)])
const count = (max: number) => z.int().min(1).max(max)

const SequenceNovelty = z.strictObject({
  type: z.literal('sequence_novelty'),
  of: field,
  by: z.tuple([field, field]),
  order: z.literal(3),
  aggregate: z.literal('top2'),
  collapse_repeats: z.boolean(),
  known_when: z.strictObject({ distinct_actors: count(16), min_age: Period }),
  peers: z
    .strictObject({ tenants: z.literal(true), weight: z.number().min(0).max(1), min_tenants: count(16) })
    .exactOptional(),
  baseline: Period,
  cold_start: z.strictObject({ until_sessions: count(500), score: z.null() }),
})

const FirstSeen = z.strictObject({
  type: z.literal('first_seen'),
  of: field,
  by: group,
  history: Period,
  learning: Period,
  known_when: z.strictObject({ distinct_days: count(30) }),
})

const RobustZ = z.strictObject({
  type: z.literal('robust_z'),
  of: field,
  by: group,
  transform: z.enum(['log1p', 'none']),
  method: z.literal('median_mad'),
  min_samples: count(500),
  floor_mad: z.number().positive(),
})

const RepeatCount = z.strictObject({ type: z.literal('repeat_count'), of: several, by: group, window: Period })

const Cycle = z.strictObject({
  type: z.literal('cycle'),
  of: several,
  by: group,
  min_period: z.int().min(2).max(16),
  max_period: z.int().min(2).max(16),
  min_repeats: z.int().min(2).max(16),
  last: count(64),
})

const NearDuplicateCount = z.strictObject({
  type: z.literal('near_duplicate_count'),
  of: field,
  by: group,
  hamming: z.int().min(0).max(16),
  window: Period,
})

const Provenance = z.strictObject({
  type: z.literal('provenance'),
  sinks: z.literal('tool.sinks'),
  sources: z.tuple([z.literal('tool_output')]),
  trusted: z.array(z.enum(['user_intent', 'config', 'allow_lists'])),
  by: z.tuple([field]),
  max_values: count(4_096),
})

/** The schema of one entry under `analytics`. */
export const Analytic: z.ZodType<Analytic> = z
  .discriminatedUnion('type', [SequenceNovelty, FirstSeen, RobustZ, RepeatCount, Cycle, NearDuplicateCount, Provenance])
  .superRefine((analytic, context) => {
    if (analytic.type !== 'cycle') return
    if (analytic.min_period > analytic.max_period)
      context.addIssue({ code: 'custom', path: ['min_period'], message: 'is larger than max_period' })
    if (analytic.max_period * analytic.min_repeats > analytic.last)
      context.addIssue({ code: 'custom', path: ['last'], message: 'is too short for max_period × min_repeats' })
  })

/** Names of the fields a feature sets: its own, and for some kinds the account that goes with it. */
export function fieldsOf(name: string, { type }: Analytic): readonly string[] {
  const prefix = name.slice(0, name.lastIndexOf('.') + 1)
  if (type === 'sequence_novelty') return [name, `${prefix}tools`, `${prefix}hash`, `${prefix}unseen`]
  if (type !== 'provenance') return [name]
  return ['tainted', 'source', 'source_markers', 'in_user_intent', 'value_hash'].map((part) => `${name}.${part}`)
}
