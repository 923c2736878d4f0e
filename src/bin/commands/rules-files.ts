import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { openRules, type RuleSet } from '../../detection/check.ts'
import type { Problem, RuleFile } from '../../detection/load.ts'
import { placed, print, say } from './policy-files.ts'

/** The rules of these paths as one set; or nothing, after saying everything that is wrong with them and setting exit code 3. */
export function openedRules(
  paths: readonly string[],
  json: boolean,
): { readonly set: RuleSet; readonly warnings: readonly Problem[] } | undefined {
  const read = paths.flatMap(filesAt).map(readRuleFile)
  const { set, problems, warnings } = openRules(read.flatMap((one) => one.file ?? []))
  const all = [...read.flatMap((one) => one.problem ?? []), ...problems]
  if (set && all.length === 0 && set.rules.length > 0) return { set, warnings }
  const nothing =
    all.length === 0 ? [{ file: paths.join(' '), line: 1, path: '', message: 'There is no .yml file here.' }] : []
  for (const problem of [...all, ...nothing]) say(placed(problem))
  if (json) print({ ok: false, rules: set?.rules.length ?? 0, problems: [...all, ...nothing], warnings })
  process.exitCode = 3
  return undefined
}

/** A directory's rule files, in order of their names, or the file itself. */
function filesAt(path: string): readonly string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path]
  return readdirSync(path)
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()
    .map((name) => join(path, name))
}

function readRuleFile(path: string): { readonly file?: RuleFile; readonly problem?: Problem } {
  const file = relative('.', path) || path
  try {
    return { file: { file, text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)) } }
  } catch (error) {
    const why =
      error instanceof TypeError ? 'it is not UTF-8 text' : ((error as NodeJS.ErrnoException).code ?? String(error))
    return { problem: { file, line: 1, path: '', message: `The file cannot be read: ${why}.` } }
  }
}
