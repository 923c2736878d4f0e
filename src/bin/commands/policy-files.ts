import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { placed } from '../../policy/document.ts'
import type { Problem } from '../../policy/document.ts'
import { readPolicies } from '../../policy/read.ts'
import type { PlacedRule } from '../../policy/rule.ts'

/** The rules that ship with the program. */
export const shippedPolicies = fileURLToPath(new URL('../../../policies/builtin.yaml', import.meta.url))

/** The rules of these files as one set; or nothing, after saying everything that is wrong with them and setting exit code 3. */
export function loadedRules(files: readonly string[], json: boolean): readonly PlacedRule[] | undefined {
  const read = [...new Set(files)].map(readText)
  const { rules, problems } = readPolicies(read.filter((one) => one.text !== undefined))
  const all = [...read.flatMap((one) => one.problem ?? []), ...problems]
  if (all.length === 0) return rules
  for (const problem of all) say(placed(problem))
  if (json) print({ ok: false, rules: rules.length, problems: all, warnings: [] })
  process.exitCode = 3
  return undefined
}

type ReadText =
  | { readonly file: string; readonly text: string; readonly problem?: undefined }
  | { readonly file: string; readonly text?: undefined; readonly problem: Problem }

function readText(path: string): ReadText {
  const file = relative('.', path) || path
  try {
    return { file, text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)) }
  } catch (error) {
    const why =
      error instanceof TypeError ? 'it is not UTF-8 text' : ((error as NodeJS.ErrnoException).code ?? String(error))
    return { file, problem: { file, line: 1, path: '', message: `The file cannot be read: ${why}.` } }
  }
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Text as it is, anything else as one line of JSON. */
export function print(report: object | string): void {
  process.stdout.write(`${typeof report === 'string' ? report : JSON.stringify(report)}\n`)
}

export { placed }
