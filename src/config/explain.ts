import type { z } from 'zod'
import { suggestion } from '../expression/vocabulary.ts'
import type { PlacedDocument, Problem } from '../policy/document.ts'

type Path = readonly (string | number)[]

/** Turns what a schema refused into problems a person can mend: where, what, and what was probably meant. */
export function explain(
  error: z.ZodError,
  file: string,
  document: PlacedDocument,
  knownKeys: readonly string[] = [],
): readonly Problem[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)))
    const at = (where: Path, message: string): Problem => ({
      file,
      line: document.lineOf(where),
      path: where.join('.'),
      message,
    })
    if (issue.code !== 'unrecognized_keys') return [at(path, `${named(path)} ${sentence(issue)}.`)]
    return issue.keys.map((key) => at([...path, key], `Unknown key '${key}'${suggestion(key, knownKeys)}.`))
  })
}

function named(path: Path): string {
  return path.length === 0 ? 'The file' : `'${path.join('.')}'`
}

/** Our own messages begin in lower case and follow the name; those of the schema library stand by themselves. */
function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union') return firstOf(issue)
  const message = issue.message.replace(/\.$/, '')
  return /^[A-Z]/.test(message) ? `is wrong: ${message.charAt(0).toLowerCase()}${message.slice(1)}` : message
}

/** Of a union, the complaint of the branch that came closest: the one that got past the type of the value. */
function firstOf(issue: z.core.$ZodIssueInvalidUnion): string {
  const inner = issue.errors.flat().find((each) => each.code !== 'invalid_type' && each.code !== 'invalid_value')
  return inner === undefined
    ? 'is none of the things that may stand here'
    : `${inner.path.join('.')} ${sentence(inner)}`.trim()
}
