import { ExpressionError } from './lex.ts'
import { parseExpression } from './parse.ts'
import type { Expression } from './tree.ts'

/** A detection as written in prose form: its condition, and the title of its alert when it names one. */
export interface DetectionText {
  /** The condition alone; what was around it is blanked, so offsets point into the text as it was given. */
  readonly text: string
  readonly expression: Expression
  readonly title?: string
}

/**
 * Reads a condition with what detection notes put around it: `where …` (over several lines), or `if …: alert "title"`.
 * Throws `ExpressionError` when what is left is not an expression.
 */
export function parseDetectionText(text: string): DetectionText {
  const where = blanked(text, /^\s*where\b(?!\.)/)
  if (where !== undefined) return { text: where, expression: parseExpression(where) }
  const condition = blanked(text, /^\s*if\b(?!\.)/)
  return condition === undefined ? { text, expression: parseExpression(text) } : parseAlert(condition)
}

function parseAlert(condition: string): DetectionText {
  const colon = condition.lastIndexOf(':', condition.lastIndexOf('alert'))
  const title = /^:\s*alert\s+(?:"([^"]*)"|'([^']*)')\s*$/.exec(colon < 0 ? '' : condition.slice(colon))
  if (!title) throw new ExpressionError(`After 'if' a condition must end with ': alert "title"'`, condition.length)
  const text = condition.slice(0, colon)
  return { text, expression: parseExpression(text), title: title[1] ?? title[2] ?? '' }
}

/** The text with its beginning turned to spaces, when it begins like that. */
function blanked(text: string, beginning: RegExp): string | undefined {
  const found = beginning.exec(text)?.[0]
  return found === undefined ? undefined : ' '.repeat(found.length) + text.slice(found.length)
}
