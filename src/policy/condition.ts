import { bothSpellings } from '../detection/scope-spelling.ts'
import { compileExpression } from '../expression/compile.ts'
import type { CompiledExpression } from '../expression/compile.ts'
import { fieldReader } from '../expression/field-path.ts'
import { globTest, patternMax } from '../expression/glob.ts'
import { ExpressionError } from '../expression/lex.ts'
import { printExpression } from '../expression/print.ts'
import { resolveName } from '../expression/vocabulary.ts'
import type { Vocabulary } from '../expression/vocabulary.ts'
import type { Json } from '../ports/json.ts'
import type { Literal } from './rule.ts'
import type { PolicyInput } from './verdict.ts'

/** A call as conditions see it: its facts, and every name its tool goes by. */
export interface Asked {
  readonly names: readonly string[]
  readonly input: PolicyInput
}

/** One entry of `when` or `unless`. */
export interface Condition {
  readonly text: string
  /** Absent for a condition on the tool. */
  readonly expression?: CompiledExpression
  /** On a condition on the tool: whether it holds for a tool that goes by these names. */
  covers?(names: readonly string[]): boolean
  test(asked: Asked): boolean
  /** What the condition read, for `policy explain`: one value, or values by path. Absent when all was missing. */
  saw(asked: Asked): Json | undefined
}

/**
 * The facts a rule may ask for. A name without a dot is an argument. The ticket, however written, is the confirmed one:
 * a ticket that the caller only claims is absent, so no rule can be passed by making one up.
 */
export const policyVocabulary: Vocabulary = {
  names: new Set([
    'subject.id',
    'subject.region',
    'subject.tenant',
    'actor.id',
    'actor.type',
    'scope.grants',
    'data.contains_pii',
    'data.pii_count',
    'egress.domain',
    'egress.domain_in_allowlist',
    'url.scheme',
    'url.hostname',
    'url.port',
    'url.path',
    'url.is_link_local',
    'url.is_private',
    'taint.tainted',
    'taint.source_markers',
    'session.tainted',
    'ctx.ticket',
  ]),
  prefixes: ['args.'],
  resolve: (name) =>
    name === 'ticket' || name === 'args.ticket' ? 'ctx.ticket' : name.includes('.') ? name : `args.${name}`,
}

/** Compiles one entry. Throws `ExpressionError` for a fact that does not exist, a literal that cannot be met, or a bad expression. */
export function compileCondition(key: string, value: Literal | readonly Literal[]): Condition {
  if (key === 'tool') return toolCondition(textsOf(key, value))
  if (key !== 'cond') return factCondition(compileExpression(factText(key, value), policyVocabulary))
  if (typeof value !== 'string') throw new ExpressionError('An expression is a text in quotes', 0)
  return factCondition(compileExpression(value, policyVocabulary))
}

function toolCondition(patterns: readonly string[]): Condition {
  const tests = patterns.map((pattern) => globTest(pattern))
  const covers = (names: readonly string[]) => names.some((name) => tests.some((test) => test(name)))
  return {
    text: `tool matches [${patterns.map((pattern) => `'${pattern}'`).join(', ')}]`,
    covers,
    test: ({ names }) => covers(names),
    saw: ({ names }) => names[0],
  }
}

function textsOf(key: string, value: Literal | readonly Literal[]): readonly string[] {
  const texts = (Array.isArray(value) ? value : [value]) as readonly Literal[]
  if (texts.every((text) => typeof text === 'string' && text.length > 0 && text.length <= patternMax))
    return texts as readonly string[]
  throw new ExpressionError(`'${key}' is a name of 1 to ${patternMax} characters, or a list of them`, 0)
}

/** An entry of the map as an expression: `"*"` asks for presence, anything else for one of the literals. */
function factText(key: string, value: Literal | readonly Literal[]): string {
  if (!key.includes('.')) throw new ExpressionError(`Unknown fact '${key}'; an argument is written 'args.${key}'`, 0)
  resolveName(key, policyVocabulary, 0)
  const path = { kind: 'path', path: key, offset: 0 } as const
  if (value === '*') return printExpression({ kind: 'call', name: 'present', args: [path], offset: 0 })
  const literals = (Array.isArray(value) ? value : [value]) as readonly Literal[]
  const star = literals.find((literal) => typeof literal === 'string' && literal.includes('*'))
  if (star !== undefined) {
    throw new ExpressionError(`'${star}' would be compared letter by letter; write cond: "${key} matches '${star}'"`, 0)
  }
  const items = literals.map((literal) => ({ kind: 'value', value: literal, offset: 0 }) as const)
  return printExpression({
    kind: 'compare',
    op: 'in',
    left: path,
    right: { kind: 'list', items, offset: 0 },
    offset: 0,
  })
}

function factCondition(expression: CompiledExpression): Condition {
  const readers = new Map(expression.paths.map((path) => [path, factReader(path)]))
  const read = (path: string, { input }: Asked): unknown => readers.get(path)?.(input)
  return {
    text: expression.text,
    expression,
    test: (asked) => expression.test((path) => read(path, asked)),
    saw: (asked) => seen(expression.paths, (path) => read(path, asked)),
  }
}

function factReader(path: string): (input: PolicyInput) => unknown {
  return path === 'scope.grants' ? (input) => bothSpellings(input.grants) : fieldReader(path)
}

function seen(paths: readonly string[], read: (path: string) => unknown): Json | undefined {
  const values = paths.map((path) => [path, read(path)] as const).filter(([, value]) => value !== undefined)
  if (values.length === 0) return undefined
  return (paths.length === 1 ? values[0]?.[1] : Object.fromEntries(values)) as Json
}
