import { canonicalize } from '../evidence/canonical.ts'
import type { Lookup } from '../expression/compile.ts'
import type { Json, JsonObject } from '../ports/json.ts'
import type { Finding } from './alert.ts'
import { alertFor, type Firing } from './alert-text.ts'
import type { RuleSet } from './check.ts'
import type { CompiledRule } from './compile.ts'
import { correlator, type Correlator, type Joined } from './correlate.ts'
import type { Category, DetectionEvent, Fields, Origin } from './event.ts'
import type { Feature, Primer } from './feature.ts'
import { featureOf, kindsOf } from './features.ts'
import { watermark } from './merge.ts'
import { recent } from './recent.ts'
import { responder } from './respond.ts'
import { severities } from './rule.ts'
import type { Lists } from './select.ts'
import { stageOf, type Stages } from './stage.ts'
import { suppressor } from './suppress.ts'

/**
 * Folds evidence into findings. No clock, no randomness, bounded memory: the same events give the same findings, byte for byte,
 * wherever the fold was stopped and restored in between.
 */
export interface Detector {
  /** Digest of the rules in force. */
  readonly digest: string
  /** Judges one event. An event that was judged before (same stream, position) gives nothing. */
  step(event: DetectionEvent): readonly Finding[]
  /** Time has come this far although no event says so: absences whose grace is over fire. */
  watermark(atMs: number): readonly Finding[]
  /** Gives a feature a memory for one group, as examples in rule files ask for. */
  teach(feature: string, group: string, known: Primer): void
  /** Last position judged of each stream, to resume from. */
  positions(): ReadonlyMap<string, number>
  /** Entries that tables had to forget while they might still have mattered, by table. Anything above zero deserves a look. */
  evicted(): Readonly<Record<string, number>>
  snapshot(): JsonObject
  /** Takes a snapshot's memory. Features whose definition has changed since start afresh. Throws for a snapshot of another format. */
  restore(snapshot: JsonObject): void
}

export interface DetectorOptions {
  readonly rules: RuleSet
  readonly stages: Stages
  /** Values of `never` lists; the rules themselves got theirs when they were opened. */
  readonly lists?: Lists
}

const streamsMax = 10_000
const format = 'sluicegate.detector.1'

interface Placed {
  readonly key: string
  readonly name: string
  readonly kinds: readonly Category[]
  readonly feature: Feature
}

export function detector({ rules, stages, lists = {} }: DetectorOptions): Detector {
  const active = rules.compiled.filter(({ rule }) => stageOf(stages, rule.name) !== 'off' || rules.bases.has(rule.name))
  const features = placedFeatures(active)
  const featuresOf = groupedByKind(features)
  const judges = judgesByKind(active)
  const correlators = active
    .filter(({ rule }) => rule.correlation)
    .map((compiled) => ({
      compiled,
      join: correlator(compiled.rule.correlation!, rules.absences.get(compiled.rule.name)),
    }))
  const responses = responder({ stages, lists })
  const suppressed = suppressor()
  const time = watermark()
  const places = recent<Place>({ countMax: streamsMax })

  function fire(compiled: CompiledRule, firing: Firing): readonly Finding[] {
    const { rule } = compiled
    if (!suppressed.tells(rule.id, rule.suppress, firing.fields, firing.atMs)) return []
    const alert = alertFor(compiled, firing, rules.digest)
    return [{ alert, ...responses.react(compiled, firing.fields, firing.atMs) }]
  }

  function fireJoined(compiled: CompiledRule, joined: readonly Joined[]): readonly Finding[] {
    return joined.flatMap(({ atMs, matches, group }) => {
      const last = matches.at(-1)!
      const fields = { ...last.fields, ...group }
      const base = rules.compiled.find(({ rule }) => rule.name === last.rule)!
      const why = joinedWhy(
        compiled,
        base.told((field) => last.fields[field]),
        matches.length,
      )
      return fire(compiled, { fields, atMs, origins: matches.map(({ origin }) => origin), why })
    })
  }

  /** What a rule that matched leads to: a finding, or food for correlations. */
  function consequences(compiled: CompiledRule, fields: Fields, event: DetectionEvent): readonly Finding[] {
    const { name } = compiled.rule
    const why = () => compiled.told((field) => fields[field])
    if (!rules.bases.has(name)) return fire(compiled, { fields, atMs: event.atMs, origins: [event.origin], why: why() })
    const match = { rule: name, atMs: event.atMs, origin: event.origin, fields }
    return correlators
      .filter((one) => one.compiled.rule.correlation!.rules.includes(name))
      .flatMap((one) => fireJoined(one.compiled, one.join.match(match)))
  }

  function overdue(atMs: number): readonly Finding[] {
    return correlators.flatMap(({ compiled, join }) => fireJoined(compiled, join.watermark(atMs)))
  }

  function step(event: DetectionEvent): readonly Finding[] {
    if (!advances(places, event.origin)) return []
    const session = event.fields['session.id']
    if (typeof session === 'string') responses.active(session, event.atMs)
    const following = featuresOf.get(event.kind) ?? []
    const fields = enriched(event, following)
    const lookup: Lookup = (field) => fields[field]
    const matched = (judges.get(event.kind) ?? []).filter((compiled) => compiled.matches(lookup))
    const findings = [
      ...matched.flatMap((compiled) => consequences(compiled, fields, event)),
      ...overdue(time.saw(event.origin.stream, event.atMs)),
    ]

    const quiet = !matched.some((compiled) => isSerious(compiled, lookup, rules))
    for (const { feature } of following) feature.learn(fields, event.atMs, quiet)
    if (!quiet) for (const { feature } of features) feature.flag?.(fields)
    return findings
  }

  return {
    digest: rules.digest,
    step,
    watermark(atMs) {
      for (const { feature } of features) feature.watermark?.(atMs)
      return overdue(atMs)
    },
    teach(name, group, known) {
      for (const one of features) if (one.name === name) one.feature.prime?.(group, known)
    },
    positions: () => new Map([...places.entries()].map(([stream, { seq }]) => [stream, seq])),
    evicted: () => ({
      ...Object.fromEntries(features.map(({ name, feature }) => [name, feature.evicted()])),
      ...Object.fromEntries(correlators.map(({ compiled, join }) => [compiled.rule.name, join.evicted()])),
    }),
    snapshot: () => ({
      format,
      rules: rules.digest,
      features: Object.fromEntries(features.map(({ key, feature }) => [key, feature.snapshot()])),
      correlators: Object.fromEntries(correlators.map(({ compiled, join }) => [keyOf(compiled), join.snapshot()])),
      responses: responses.snapshot(),
      suppressed: suppressed.snapshot(),
      time: time.snapshot(),
      places: [...places.entries()].map(([stream, { seq, part }]) => [stream, seq, part]),
    }),
    restore(snapshot) {
      if (snapshot['format'] !== format)
        throw new TypeError(
          `This is no detector snapshot of format ${format}; make a new one with scripts/baseline.ts.`,
        )
      const state = snapshot as unknown as Packed
      for (const { key, feature } of features)
        if (Object.hasOwn(state.features, key)) feature.restore(state.features[key]!)
      for (const { compiled, join } of correlators) restoreJoin(join, state.correlators[keyOf(compiled)])
      responses.restore(state.responses)
      suppressed.restore(state.suppressed)
      time.restore(state.time)
      places.clear()
      for (const [stream, seq, part] of state.places) places.put(stream, { seq, part })
    },
  }
}

interface Packed {
  readonly features: Readonly<Record<string, Json>>
  readonly correlators: Readonly<Record<string, Json>>
  readonly responses: Json
  readonly suppressed: Json
  readonly time: readonly (readonly [string, number])[]
  readonly places: readonly (readonly [string, number, number])[]
}

interface Place {
  readonly seq: number
  readonly part: number
}

/** What the base rule saw, and what was missing or how often it came. */
function joinedWhy({ rule }: CompiledRule, seen: string, count: number): string {
  const { condition, timespan, grace } = rule.correlation!
  const hours = Math.round((timespan / 3_600_000) * 100) / 100
  if (typeof condition !== 'string') return `${count} in ${hours} h; the last: ${seen}`
  return `${seen.slice(0, -1)}; ${condition}, within ${hours} h before and ${(grace ?? 0) / 60_000} min after.`
}

const keyOf = ({ rule }: CompiledRule) => `${rule.id}@${rule.version}`

function restoreJoin(join: Correlator, state: Json | undefined): void {
  if (state !== undefined) join.restore(state)
}

/** Redelivery is normal: what is not ahead of its stream's last place was judged already. */
function advances(places: ReturnType<typeof recent<Place>>, { stream, seq, part }: Origin): boolean {
  const last = places.get(stream)
  if (last && (seq < last.seq || (seq === last.seq && part <= last.part))) return false
  places.put(stream, { seq, part })
  return true
}

/** The event's fields and its features. A feature the event already carries is taken as it stands. */
function enriched(event: DetectionEvent, following: readonly Placed[]): Fields {
  const fields: Record<string, Json> = { ...event.fields }
  for (const { name, feature } of following)
    if (!carries(fields, name)) Object.assign(fields, feature.read(fields, event.atMs, event.kind))
  return fields
}

const carries = (fields: Fields, name: string) =>
  Object.hasOwn(fields, name) || Object.hasOwn(fields, `${name}.tainted`)

/** Only what deserves a person's look keeps a session out of the baseline; a novelty hint must not, or new work would stay new for ever. */
function isSerious(compiled: CompiledRule, lookup: Lookup, { bases }: RuleSet): boolean {
  return !bases.has(compiled.rule.name) && severities.indexOf(compiled.severity(lookup)) >= severities.indexOf('medium')
}

/** One feature per category, name and definition, shared by the rules that declare it. */
function placedFeatures(compiled: readonly CompiledRule[]): readonly Placed[] {
  const placed = new Map<string, Placed>()
  for (const { rule } of compiled)
    for (const [name, analytic] of Object.entries(rule.analytics)) {
      const category = rule.logsource!.category
      const key = `${category} ${name} ${canonicalize(analytic as unknown as Json)}`
      if (!placed.has(key))
        placed.set(key, { key, name, kinds: kindsOf(analytic, category), feature: featureOf(name, analytic) })
    }
  return [...placed.values()]
}

function groupedByKind(features: readonly Placed[]): ReadonlyMap<Category, readonly Placed[]> {
  const kinds = new Map<Category, readonly Placed[]>()
  for (const placed of features) for (const kind of placed.kinds) kinds.set(kind, [...(kinds.get(kind) ?? []), placed])
  return kinds
}

function judgesByKind(compiled: readonly CompiledRule[]): ReadonlyMap<Category, readonly CompiledRule[]> {
  const kinds = new Map<Category, readonly CompiledRule[]>()
  for (const one of compiled) {
    const kind = one.rule.logsource?.category
    if (kind) kinds.set(kind, [...(kinds.get(kind) ?? []), one])
  }
  return kinds
}
