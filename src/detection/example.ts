import { z } from 'zod'
import type { Json } from '../ports/json.ts'
import { categories, type Category } from './event.ts'
import { Period } from './period.ts'
import { modes, type Mode } from './reaction.ts'

/** One event of an example. Fields beside `at` and `kind` are the event's own; a feature given here replaces its computation. */
export interface ExampleEvent {
  /** Offset from the start of the example, milliseconds. */
  readonly at: number
  /** The rule's own category when absent; `watermark` only moves time on. */
  readonly kind?: Category | 'watermark'
  readonly fields: Readonly<Record<string, Json>>
}

/** What was learned before the example begins. */
export interface ExampleBaseline {
  /** The group the values belong to, e.g. `{ tenant.id: t1 }`. */
  readonly group: Readonly<Record<string, string>>
  /** For chains: quiet sessions by so many actors, walking through these chains in turn. */
  readonly sessions: number
  readonly actors: number
  readonly chains: readonly (readonly string[])[]
  /** How long before the example the last of these sessions ended, milliseconds. */
  readonly ago: number
  /** For spikes, per feature, in transformed units. */
  readonly values: Readonly<Record<string, { readonly n: number; readonly median: number; readonly mad: number }>>
  /** For first-seen features: values that are known. */
  readonly seen: Readonly<Record<string, readonly string[]>>
}

/** What an example must lead to. `response`, when given, is the whole list of the last alert. */
export interface Expectation {
  readonly alerts: number
  readonly level?: string
  readonly response?: readonly { readonly action: string; readonly mode: Mode; readonly ttl?: number }[]
  /** Actions of the last alert that were held back. */
  readonly skipped?: readonly string[]
}

/** An example of a rule: what happens, and what the rule must say. Documentation and test at once. */
export interface Example {
  readonly name: string
  readonly baseline: readonly ExampleBaseline[]
  /** Values of `%lists%`, as the configuration would give them. */
  readonly lists: Readonly<Record<string, readonly string[]>>
  readonly events: readonly ExampleEvent[]
  /** Blocks of repeated events; `{{i}}` becomes 0, 1, 2, … */
  readonly repeat: readonly { readonly times: number; readonly every: number; readonly event: ExampleEvent }[]
  readonly expect: Expectation
}

const json: z.ZodType<Json> = z.json()
const words = z.array(z.string().min(1).max(256)).max(1_000)

const ExampleEvent: z.ZodType<ExampleEvent> = z
  .looseObject({ at: Period.exactOptional(), kind: z.enum([...categories, 'watermark']).exactOptional() })
  .catchall(json)
  .transform(({ at, kind, ...fields }) => ({
    at: at ?? 0,
    ...(kind !== undefined && { kind }),
    fields: fields as Record<string, Json>,
  }))

const spread = z.strictObject({ n: z.int().min(1).max(500), median: z.number(), mad: z.number().min(0) })

const ExampleBaseline: z.ZodType<ExampleBaseline> = z
  .looseObject({
    sessions: z.int().min(1).max(1_000).default(0),
    actors: z.int().min(1).max(16).default(3),
    chains: z.array(words.min(1)).max(50).default([]),
    ago: Period.exactOptional(),
    values: z.record(z.string(), spread).default({}),
    seen: z.record(z.string(), words).default({}),
  })
  .catchall(z.string())
  .transform(({ sessions, actors, chains, ago, values, seen, ...group }) => ({
    sessions,
    actors,
    chains,
    ago: ago ?? 172_800_000,
    values,
    seen,
    group: group as Record<string, string>,
  }))

const Repeat = z.strictObject({ times: z.int().min(1).max(1_000), every: Period, event: ExampleEvent })

/** One value, or a list of them. */
const oneOrMore = <T>(schema: z.ZodType<T>): z.ZodType<readonly T[]> =>
  z.union([z.array(schema), schema.transform((one): readonly T[] => [one])])

/** The schema of one entry of `tests`. */
export const Example: z.ZodType<Example> = z
  .strictObject({
    name: z.string().min(1).max(256),
    baseline: oneOrMore(ExampleBaseline).default([]),
    lists: z.record(z.string(), words).default({}),
    events: z.array(ExampleEvent).max(1_000).default([]),
    repeat: oneOrMore(Repeat).default([]),
    expect: z.strictObject({
      alerts: z.int().min(0).max(1_000),
      level: z.string().exactOptional(),
      response: z
        .array(z.strictObject({ action: z.string(), mode: z.enum(modes), ttl: Period.exactOptional() }))
        .exactOptional(),
      skipped: z.array(z.string()).exactOptional(),
    }),
  })
  .refine(({ events, repeat }) => events.length + repeat.length > 0, 'an example needs events or repeat')
