import type { Json } from '../ports/json.ts'
import type { Finding } from './alert.ts'
import type { RuleSet } from './check.ts'
import { compileRule, knownFields, type CompiledRule } from './compile.ts'
import type { Category, DetectionEvent, Fields } from './event.ts'
import type { Example, ExampleBaseline, ExampleEvent, Expectation } from './example.ts'
import { groupOf } from './feature.ts'
import { detector, type Detector } from './fold.ts'
import type { Rule } from './rule.ts'
import { bothSpellings } from './scope-spelling.ts'

/** How one example of one rule went. */
export interface ExampleResult {
  readonly rule: string
  readonly file: string
  readonly line: number
  readonly example: string
  readonly ok: boolean
  /** What differs from what the rule promises, when something does. */
  readonly message?: string
}

/** Examples start here: a fixed Monday noon, so that days and hours are the same on every machine. */
const startMs = Date.UTC(2026, 0, 5, 12)

const dayMs = 86_400_000

/** Runs the examples of every rule, each with fresh memory and the rule at its ceiling. */
export function runExamples(set: RuleSet): readonly ExampleResult[] {
  return set.rules.flatMap(({ rule, file, at }) =>
    rule.tests.map((example, index): ExampleResult => {
      const { line } = at(['tests', index], '')
      const message = differs(example.expect, run(set, rule, example))
      return {
        rule: rule.name,
        file,
        line,
        example: example.name,
        ok: message === undefined,
        ...(message !== undefined && { message }),
      }
    }),
  )
}

function run(set: RuleSet, rule: Rule, example: Example): readonly Finding[] {
  const fold = detector({
    rules: onlyFor(set, rule, example),
    stages: { default: 'enforce', rules: {} },
    lists: example.lists,
  })
  const events = eventsOf(rule, example)
  example.baseline.forEach((baseline, index) => learn(fold, rule, baseline, events, index))
  return events.flatMap((event) => (event.kind === 'watermark' ? fold.watermark(event.atMs) : fold.step(event)))
}

/** The rule and its base rules, compiled with the example's lists. */
function onlyFor(set: RuleSet, rule: Rule, { lists }: Example): RuleSet {
  const names = [rule.name, ...(rule.correlation?.rules ?? [])]
  const compiled = set.compiled
    .filter((one) => names.includes(one.rule.name))
    .map((one): CompiledRule =>
      Object.keys(lists).length === 0
        ? one
        : compileRule(one.rule, { known: knownFields(one.rule), lists, complain: () => {} }),
    )
  const bases = new Set(rule.correlation?.rules ?? [])
  return { ...set, compiled, bases }
}

type ExampleStep = DetectionEvent | (Omit<DetectionEvent, 'kind'> & { readonly kind: 'watermark' })

function eventsOf(rule: Rule, { events, repeat }: Example): readonly ExampleStep[] {
  const repeated = repeat.flatMap(({ times, every, event }) =>
    Array.from({ length: times }, (_, index) => ({
      ...event,
      at: event.at + index * every,
      fields: filledIn(event.fields, index),
    })),
  )
  return [...events, ...repeated]
    .sort((one, other) => one.at - other.at)
    .map((event, index) => stepOf(rule, event, index))
}

function stepOf(rule: Rule, { at, kind, fields }: ExampleEvent, index: number): ExampleStep {
  const origin = { stream: 'example', seq: index, leaf: `example-${index}`, part: 0 }
  return {
    kind: kind ?? rule.logsource?.category ?? 'stream_health',
    atMs: startMs + at,
    origin,
    fields: spelled(fields),
  }
}

function spelled(fields: Fields): Fields {
  const scopes = fields['scope.grants']
  return Array.isArray(scopes) ? { ...fields, 'scope.grants': bothSpellings(scopes.map(String)) } : fields
}

function filledIn(fields: Fields, index: number): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]): [string, Json] => [
      name,
      typeof value === 'string' ? value.replaceAll('{{i}}', String(index)) : value,
    ]),
  )
}

function learn(
  fold: Detector,
  rule: Rule,
  baseline: ExampleBaseline,
  events: readonly ExampleStep[],
  index: number,
): void {
  const category = rule.logsource?.category
  if (category) for (const event of quietSessions(baseline, category, index)) fold.step(event)
  fold.watermark(startMs)
  const { group, values, seen } = baseline
  const alike = events.filter(({ fields }) => Object.entries(group).every(([field, value]) => fields[field] === value))
  for (const [name, { by }] of Object.entries(rule.analytics))
    for (const key of new Set(alike.map(({ fields }) => groupOf(fields, by)))) {
      const [spread, known] = [values[name], seen[name]]
      if (key !== undefined)
        fold.teach(name, key, { atMs: startMs, ...(spread && { spread }), ...(known && { seen: known }) })
    }
}

/** Sessions spread over twelve days that end `ago` before the example, walking through the chains and actors in turn. */
function quietSessions(
  { group, sessions, actors, chains, ago }: ExampleBaseline,
  kind: Category,
  index: number,
): readonly DetectionEvent[] {
  if (chains.length === 0) return []
  return Array.from({ length: sessions }, (_, session) => {
    const fields = { ...group, 'session.id': `quiet-${index}-${session}`, 'actor.id': `quiet-${session % actors}` }
    const endMs = startMs - ago - Math.floor(((sessions - 1 - session) * 12 * dayMs) / sessions)
    const tools = chains[session % chains.length] ?? []
    return tools.map((tool, step): DetectionEvent => ({
      kind,
      atMs: endMs - (tools.length - 1 - step) * 1_000,
      origin: { stream: `quiet-${index}`, seq: session * 1_000 + step, leaf: '', part: 0 },
      fields: { ...fields, 'tool.name': tool, 'tool.effect': 'read', 'policy.decision': 'allow' },
    }))
  }).flat()
}

function differs(expect: Expectation, findings: readonly Finding[]): string | undefined {
  const { alerts, level, response, skipped } = expect
  if (findings.length !== alerts)
    return `expected ${alerts} alerts, got ${findings.length}${findings[0] ? `: ${findings[0].alert.why}` : ''}`
  const last = findings.at(-1)
  const wrong = level === undefined ? undefined : findings.find(({ alert }) => alert.severity !== level)
  if (wrong) return `expected level ${level}, got ${wrong.alert.severity}`
  return (
    listDiffers(
      'response',
      response?.map(({ action, mode, ttl }) => told(action, mode, ttl)),
      last?.responses.map(({ action, mode, ttlMs }, index) =>
        told(action, mode, response?.[index]?.ttl === undefined ? undefined : ttlMs),
      ),
    ) ??
    listDiffers(
      'skipped',
      skipped,
      last?.skipped.map(({ action }) => action),
    )
  )
}

const told = (action: string, mode: string, ttlMs: number | undefined) =>
  `${action} ${mode}${ttlMs === undefined ? '' : ` ${ttlMs} ms`}`

function listDiffers(
  what: string,
  expected: readonly string[] | undefined,
  got: readonly string[] = [],
): string | undefined {
  if (expected === undefined || expected.join('; ') === got.join('; ')) return undefined
  return `expected ${what} [${expected.join('; ')}], got [${got.join('; ')}]`
}
