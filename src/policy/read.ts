import type { z } from 'zod'
import { ExpressionError } from '../expression/lex.ts'
import { suggestion } from '../expression/vocabulary.ts'
import { isJsonObject } from '../ports/json.ts'
import { compileCondition } from './condition.ts'
import { placedDocument } from './document.ts'
import type { PlacedDocument, Problem } from './document.ts'
import { Conditions, Rule } from './rule.ts'
import type { PlacedRule } from './rule.ts'

export interface ReadPolicies {
  /** The rules that are right, in file order. Use them only when there are no problems. */
  readonly rules: readonly PlacedRule[]
  /** Everything wrong, not only the first. */
  readonly problems: readonly Problem[]
}

/** Most rules in one file. */
const rulesMax = 1_000

/** Reads several files as one set; an id used twice is a problem wherever it stands. */
export function readPolicies(files: readonly { readonly text: string; readonly file: string }[]): ReadPolicies {
  const read = files.map(({ text, file }) => readFile(text, file))
  const rules = read.flatMap((one) => one.rules)
  return { rules, problems: [...read.flatMap((one) => one.problems), ...duplicates(rules)] }
}

/** Reads one file of rules. Never throws; `file` is its name in problems. */
export function parsePolicies(text: string, file: string): ReadPolicies {
  return readPolicies([{ text, file }])
}

function readFile(text: string, file: string): ReadPolicies {
  const document = placedDocument(text, file)
  if (document.problems.length > 0) return { rules: [], problems: document.problems }
  const { data } = document
  if (!Array.isArray(data))
    return whole(file, 'A policy file is a list of rules, each beginning with `- rule: its-id`.')
  if (data.length > rulesMax) return whole(file, `A policy file has at most ${rulesMax} rules; split it.`)
  const read = data.map((item: unknown, at) => readRule(item, at, { document, file }))
  return { rules: read.flatMap((one) => one.rules), problems: read.flatMap((one) => one.problems) }
}

function whole(file: string, message: string): ReadPolicies {
  return { rules: [], problems: [{ file, line: 1, path: '', message }] }
}

interface Source {
  readonly document: PlacedDocument
  readonly file: string
}

function readRule(item: unknown, at: number, source: Source): ReadPolicies {
  const parsed = Rule.safeParse(item)
  const problems = [
    ...(parsed.error?.issues ?? []).flatMap((issue) => problemsOf(issue, at, source)),
    ...conditionProblems(item, [at, 'when'], source),
    ...conditionProblems(item, [at, 'unless'], source),
    ...(parsed.success ? exampleProblems(parsed.data, at, source) : []),
  ]
  if (!parsed.success || problems.length > 0) return { rules: [], problems }
  return { rules: [{ ...parsed.data, at: { file: source.file, line: source.document.lineOf([at]) } }], problems: [] }
}

type Path = readonly (string | number)[]

function problemAt(path: Path, message: string, { document, file }: Source): Problem {
  return { file, line: document.lineOf(path), path: path.join('.'), message }
}

function problemsOf(issue: z.core.$ZodIssue, at: number, source: Source): readonly Problem[] {
  const path = [at, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))]
  if (issue.code !== 'unrecognized_keys') return [problemAt(path, `${shown(path)} ${sentence(issue.message)}`, source)]
  return issue.keys.map((key) => problemAt([...path, key], `Unknown key '${key}'${suggestion(key, ruleKeys)}.`, source))
}

const ruleKeys = [
  'rule',
  'when',
  'unless',
  'decision',
  'reason',
  'redact',
  'route',
  'mode',
  'examples',
  'field',
  'expect',
  'args',
]

/** The part of the rule a path names: `'when.cond'`. */
function shown(path: Path): string {
  return path.length > 1 ? `'${path.slice(1).join('.')}'` : 'The rule'
}

/** Our own messages begin in lower case and follow the name; those of the schema library stand by themselves. */
function sentence(message: string): string {
  return `${/^[A-Z]/.test(message) ? `is wrong: ${message.charAt(0).toLowerCase()}${message.slice(1)}` : message}.`
}

/** What is wrong with the conditions on one side, even of a rule that is wrong elsewhere. */
function conditionProblems(item: unknown, path: readonly [number, string], source: Source): readonly Problem[] {
  const conditions = Conditions.safeParse(isJsonObject(item) ? item[path[1]] : undefined)
  return Object.entries(conditions.data ?? {}).flatMap(([key, value]) => {
    try {
      compileCondition(key, value)
      return []
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      return [problemAt([...path, key], `${error.message}.`, source)]
    }
  })
}

/** An example must say which tool it calls when the rule does not name exactly one. */
function exampleProblems(rule: Rule, at: number, source: Source): readonly Problem[] {
  return (rule.examples ?? []).flatMap((example, place) =>
    (example.tool ?? soleTool(rule)) === undefined
      ? [problemAt([at, 'examples', place], 'The rule names no single tool, so the example needs a `tool`.', source)]
      : [],
  )
}

/** The one tool a rule names, when it names just one. */
export function soleTool({ when }: Rule): string | undefined {
  const { tool } = when
  return typeof tool === 'string' && !/[*?]/.test(tool) ? tool : undefined
}

function duplicates(rules: readonly PlacedRule[]): readonly Problem[] {
  const first = new Map<string, PlacedRule>()
  return rules.flatMap((rule) => {
    const other = first.get(rule.rule)
    first.set(rule.rule, other ?? rule)
    if (!other) return []
    const message = `The id '${rule.rule}' is already used at ${other.at.file}:${other.at.line}; give this rule another.`
    return [{ file: rule.at.file, line: rule.at.line, path: 'rule', message }]
  })
}
