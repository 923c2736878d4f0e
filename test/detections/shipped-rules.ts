import { readFileSync, readdirSync } from 'node:fs'
import { openRules, type RuleSet } from '../../src/detection/check.ts'
import type { RuleFile } from '../../src/detection/load.ts'

const directory = new URL('../../detections/', import.meta.url)

/** The rule files this project ships. */
export function shippedFiles(): readonly RuleFile[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.yml'))
    .sort()
    .map((file) => ({ file: `detections/${file}`, text: readFileSync(new URL(file, directory), 'utf8') }))
}

/** The shipped rules, opened. Throws when they have a problem. */
export function shippedRules(): RuleSet {
  const { set, problems } = openRules(shippedFiles())
  if (!set) throw new Error(problems.map(({ file, line, message }) => `${file}:${line} ${message}`).join('\n'))
  return set
}
