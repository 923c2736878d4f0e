import { compileExpression } from '../expression/compile.ts'
import type { CompiledExpression, Lookup } from '../expression/compile.ts'
import type { Severity } from './alert.ts'
import { fieldsOf } from './analytic.ts'
import { holds, mentioned, parseCondition, type Condition } from './condition.ts'
import type { Rule } from './rule.ts'
import { compileSelection, SelectionError, type Atom, type Lists, type Selection } from './select.ts'
import { suggestion } from '../expression/vocabulary.ts'
import { vocabulary } from './vocabulary.ts'

/** A rule, ready to judge events. */
export interface CompiledRule {
  readonly rule: Rule
  readonly matches: (lookup: Lookup) => boolean
  readonly severity: (lookup: Lookup) => Severity
  /** What it saw, against what: numbers and states of the comparisons that held, one sentence. */
  readonly told: (lookup: Lookup) => string
  /** One per response, in order: whether its `when` holds. */
  readonly reacts: readonly ((lookup: Lookup) => boolean)[]
  /** Selections by name, for checks. */
  readonly parts: ReadonlyMap<string, Part>
  readonly condition?: Condition
}

/** Something a condition may name. */
interface Part {
  readonly fields: readonly string[]
  readonly atoms: readonly Atom[]
  readonly test: (lookup: Lookup) => boolean
}

export interface CompileContext {
  /** Fields the rule may name. */
  readonly known: readonly string[]
  readonly lists: Lists
  /** Told of every problem; the rule must not be used when there was one. */
  readonly complain: (path: readonly (string | number)[], message: string) => void
}

/** Fields a rule of this kind may name: those of its events and of its own features. */
export function knownFields(rule: Rule): readonly string[] {
  const own = rule.logsource ? vocabulary[rule.logsource.category] : []
  return [...own, ...Object.entries(rule.analytics).flatMap(([name, analytic]) => fieldsOf(name, analytic))]
}

/** Compiles a rule. Problems go to `complain`; what could not be compiled never matches. */
export function compileRule(rule: Rule, context: CompileContext): CompiledRule {
  const parts = partsOf(rule, context)
  const condition = conditionOf(rule, [...parts.keys()], context)
  const levels = rule.level_when.map((entry, index) => ({
    level: entry.level,
    test: testOf(entry.if, ['level_when', index, 'if'], context),
  }))
  const reacts = rule.response.map(({ when }, index) =>
    when === undefined ? () => true : testOf(when, ['response', index, 'when'], context),
  )
  return {
    rule,
    parts,
    reacts,
    ...(condition && { condition }),
    matches: (lookup) => condition !== undefined && holds(condition, (name) => parts.get(name)!.test(lookup)),
    severity: (lookup) => levels.find(({ test }) => test(lookup))?.level ?? rule.level,
    told: (lookup) => (condition ? whatHeld(condition, parts, lookup) : rule.title),
  }
}

function partsOf(rule: Rule, context: CompileContext): ReadonlyMap<string, Part> {
  const parts = new Map<string, Part>()
  for (const [name, body] of Object.entries(rule.detection?.selections ?? {})) {
    const path = ['detection', name]
    try {
      parts.set(name, known(compileSelection(body, context.lists), path, context))
    } catch (error) {
      if (!(error instanceof SelectionError)) throw error
      context.complain([...path, ...error.path], error.message)
    }
  }
  if (rule.where !== undefined) parts.set('where', asPart(expression(rule.where, ['where'], context)))
  return parts
}

/** The selection, after every field it names was found to exist. */
function known(selection: Selection, path: readonly string[], context: CompileContext): Selection {
  for (const field of selection.fields)
    if (!context.known.includes(field))
      context.complain(path, `Unknown field '${field}'${suggestion(field, context.known)}, so it would never match.`)
  return selection
}

function asPart(where: CompiledExpression): Part {
  const atoms = where.paths.map((field): Atom => ({ field, told: '', test: () => true }))
  return { fields: where.paths, atoms, test: (lookup) => where.test(lookup) }
}

function testOf(text: string, path: readonly (string | number)[], context: CompileContext): Part['test'] {
  const compiled = expression(text, path, context)
  return (lookup) => compiled.test(lookup)
}

function expression(
  text: string,
  path: readonly (string | number)[],
  { known, complain }: CompileContext,
): CompiledExpression {
  try {
    return compileExpression(text, { names: new Set(known) })
  } catch (error) {
    complain(path, error instanceof Error ? error.message : 'The expression does not compile.')
    return compileExpression('false', { names: new Set() })
  }
}

function conditionOf(rule: Rule, names: readonly string[], { complain }: CompileContext): Condition | undefined {
  if (!rule.detection) return undefined
  try {
    return parseCondition(rule.detection.condition, names)
  } catch (error) {
    complain(['detection', 'condition'], error instanceof Error ? error.message : 'The condition does not parse.')
    return undefined
  }
}

/** Longest explanation, characters. */
const toldMax = 400

/** Comparisons with numbers first: they are what a person checks. */
function whatHeld(condition: Condition, parts: ReadonlyMap<string, Part>, lookup: Lookup): string {
  const held = mentioned(condition)
    .filter(({ name, negated }) => !negated && parts.get(name)!.test(lookup))
    .flatMap(({ name }) => parts.get(name)!.atoms)
    .filter(({ test }) => test(lookup))
  const lines = held.map(({ field, told }) => ({
    numeric: typeof lookup(field) === 'number',
    text: `${field} ${shown(lookup(field))}${told === '' ? '' : ` (${told})`}`,
  }))
  const ordered = [...lines.filter(({ numeric }) => numeric), ...lines.filter(({ numeric }) => !numeric)]
  return `${[...new Set(ordered.map(({ text }) => text))].join(', ').slice(0, toldMax)}.`
}

function shown(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 1_000) / 1_000)
  return JSON.stringify(value) ?? 'missing'
}
