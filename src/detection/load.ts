import { LineCounter, parseAllDocuments, type Document } from 'yaml'
import type { z } from 'zod'
import type { JsonObject } from '../ports/json.ts'
import { Rule } from './rule.ts'

/** A rule file, as read: its name for messages, and its text. */
export interface RuleFile {
  readonly file: string
  readonly text: string
}

/** Something wrong, and where. */
export interface Problem {
  readonly file: string
  readonly line: number
  /** Dotted path inside the document, empty for the document itself. */
  readonly path: string
  readonly message: string
}

type Path = readonly PropertyKey[]

/** A rule that reads well, with its source for messages and digests. */
export interface LoadedRule {
  readonly rule: Rule
  /** The document as written, as JSON. */
  readonly source: JsonObject
  readonly file: string
  /** Makes a problem at a path of this document. */
  readonly at: (path: Path, message: string) => Problem
}

/** Bytes of one rule file, and documents in it. */
const sizeMax = 1_048_576
const documentsMax = 64

/** Reads rule files: YAML, then the schema. Gives the rules that read well and every problem, in file order. */
export function readRules(files: readonly RuleFile[]): {
  readonly rules: readonly LoadedRule[]
  readonly problems: readonly Problem[]
} {
  const rules: LoadedRule[] = []
  const problems: Problem[] = []
  for (const file of files) readFile(file, rules, problems)
  return { rules, problems }
}

function readFile({ file, text }: RuleFile, rules: LoadedRule[], problems: Problem[]): void {
  const lines = new LineCounter()
  if (text.length > sizeMax)
    return void problems.push({ file, line: 1, path: '', message: `The file is larger than ${sizeMax} bytes.` })
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false, schema: 'core' })
  const documents = Array.isArray(parsed) ? parsed : []
  if (documents.length === 0) problems.push({ file, line: 1, path: '', message: 'The file holds no rule.' })
  if (documents.length > documentsMax)
    return void problems.push({ file, line: 1, path: '', message: `The file holds more than ${documentsMax} rules.` })
  for (const document of documents) readDocument({ file, document, lines }, rules, problems)
}

interface Place {
  readonly file: string
  readonly document: Document
  readonly lines: LineCounter
}

function readDocument(place: Place, rules: LoadedRule[], problems: Problem[]): void {
  const { file, document, lines } = place
  if (document.errors.length > 0) {
    for (const error of document.errors)
      problems.push({
        file,
        line: lines.linePos(error.pos[0]).line,
        path: '',
        message: `The YAML does not parse: ${error.message}`,
      })
    return
  }
  const at = (path: Path, message: string) => problemAt(place, path, message)
  const source = plain(document)
  if (source === undefined)
    return void problems.push(at([], 'The YAML does not parse: it uses aliases that grow without bound.'))
  const read = Rule.safeParse(source)
  if (read.success) rules.push({ rule: read.data, source: source as JsonObject, file, at })
  else problems.push(...read.error.issues.flatMap((issue) => problemsOf(issue, at)))
}

/** The document as plain values; undefined when its aliases explode. */
function plain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch {
    return undefined
  }
}

function problemsOf(issue: z.core.$ZodIssue, at: LoadedRule['at']): readonly Problem[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => at([...issue.path, key], `"${key}" is no key here.`))
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const likeliest = [...issue.errors].sort((one, other) => one.length - other.length)[0]!
    const nested = likeliest.flatMap((inner) => problemsOf({ ...inner, path: [...issue.path, ...inner.path] }, at))
    if (nested.length > 0) return nested
  }
  return [at(issue.path, sentence(issue.message))]
}

const sentence = (message: string) => (message.endsWith('.') ? message : `${message}.`)

/** A problem at the line of the deepest node of `path` that exists. */
function problemAt({ file, document, lines }: Place, path: Path, message: string): Problem {
  const offset = offsetOf(document, path)
  return { file, line: lines.linePos(offset).line, path: path.map(String).join('.'), message }
}

interface Node {
  readonly range?: readonly [number, number, number] | null
  readonly items?: readonly {
    readonly key?: { readonly value?: unknown; readonly range?: Node['range'] }
    readonly value?: Node | null
  }[]
}

function offsetOf(document: Document, path: Path): number {
  let node = document.contents as unknown as Node | null
  let offset = node?.range?.[0] ?? document.range?.[0] ?? 0
  for (const step of path) {
    const next = childOf(node, step)
    if (!next) break
    offset = next.offset
    node = next.node
  }
  return offset
}

function childOf(
  node: Node | null,
  step: PropertyKey,
): { readonly offset: number; readonly node: Node | null } | undefined {
  if (typeof step === 'number') {
    const item = node?.items?.[step] as Node | undefined
    return item?.range ? { offset: item.range[0], node: item } : undefined
  }
  const pair = node?.items?.find(({ key }) => key?.value === step)
  return pair?.key?.range ? { offset: pair.key.range[0], node: pair.value ?? null } : undefined
}
