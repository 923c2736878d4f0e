import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, Node } from 'yaml'

/** Something wrong in a file: where, and how to mend it. */
export interface Problem {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** Dotted path from the top of the file: `0.when.cond`. Empty for the file as a whole. */
  readonly path: string
  readonly message: string
}

/** A problem as one line: where, then what. */
export function placed({ file, line, path, message }: Problem): string {
  return `${file}:${line}: ${path === '' ? '' : `${path}: `}${message}`
}

type Path = readonly (string | number)[]

/** A YAML file read to plain data, with the line of every part. */
export interface PlacedDocument {
  readonly data: unknown
  /** What YAML itself refuses: syntax, keys given twice, unknown tags. */
  readonly problems: readonly Problem[]
  /** Line of the value at a path, or of the nearest part around it that exists. */
  lineOf(path: Path): number
}

/** Largest rule file, in UTF-16 units. */
const fileMax = 1_048_576

/** Most complaints of the YAML reader that are passed on; after so many the rest are echoes. */
const errorsMax = 100

/** Reads YAML 1.2. Never throws: what cannot be read is a problem, and `data` is then undefined. */
export function placedDocument(text: string, file: string): PlacedDocument {
  if (text.length > fileMax) return unreadable(file, `The file is larger than ${fileMax} characters; split it.`)
  try {
    return read(text, file)
  } catch (error) {
    // Deep nesting exhausts the stack of the YAML reader; aliases that multiply are refused by it.
    const nested = error instanceof RangeError
    return unreadable(file, nested ? 'The file nests too deeply.' : `The file cannot be read: ${String(error)}`)
  }
}

function unreadable(file: string, message: string): PlacedDocument {
  return { data: undefined, problems: [{ file, line: 1, path: '', message }], lineOf: () => 1 }
}

function read(text: string, file: string): PlacedDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, merge: false })
  const problemAt = (offset: number, message: string): Problem => ({
    file,
    line: lines.linePos(offset).line,
    path: '',
    message,
  })
  const problems = [
    ...[...document.errors, ...document.warnings]
      .slice(0, errorsMax)
      .map(({ pos, message }) => problemAt(pos[0], message)),
    ...protoKeys(document).map((offset) => problemAt(offset, "A key may not be called '__proto__'.")),
  ]
  return {
    data: problems.length > 0 ? undefined : document.toJS({ maxAliasCount: 100 }),
    problems,
    lineOf: (path) => lines.linePos(offsetOf(document, path)).line,
  }
}

/** Schemas would pass over such a key in silence, and the rule would mean something else than it says. */
function protoKeys(document: Document): readonly number[] {
  const offsets: number[] = []
  visit(document, {
    Pair(_key, { key }) {
      if (isScalar(key) && key.value === '__proto__') offsets.push(startOf(key))
    },
  })
  return offsets
}

function offsetOf(document: Document, path: Path): number {
  let node: unknown = document.contents
  let offset = startOf(node)
  for (const part of path) {
    const inner = partOf(node, part)
    if (!inner) return offset
    node = inner.value
    offset = startOf(inner.key ?? inner.value)
  }
  return offset
}

/** The member of a map with its key, or the item of a list. */
function partOf(node: unknown, part: string | number): { readonly key?: unknown; readonly value: unknown } | undefined {
  if (isMap(node)) return node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
  const item = isSeq(node) ? node.items[Number(part)] : undefined
  if (item === undefined) return undefined
  return isPair(item) ? item : { value: item }
}

function startOf(node: unknown): number {
  return isNode(node) ? ((node as Node).range?.[0] ?? 0) : 0
}
