import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openRules, type RuleSet } from '../detection/check.ts'
import type { RuleFile } from '../detection/load.ts'
import type { Lists } from '../detection/select.ts'
import { placed } from '../policy/document.ts'
import { ConfigError } from './config-error.ts'

/** Rules and policies that come with the product. */
export const shipped = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))

/** A file, or every `.yaml` and `.yml` of a directory in order of name. Throws when one cannot be read. */
export function yamlFilesIn(path: string): readonly RuleFile[] {
  if (!statSync(path).isDirectory()) return [{ file: path, text: readFileSync(path, 'utf8') }]
  const names = readdirSync(path).filter((name) => /\.ya?ml$/.test(name))
  return names.sort().map((name) => ({ file: join(path, name), text: readFileSync(join(path, name), 'utf8') }))
}

/** These rules as one set. Throws a `ConfigError` with every problem. */
export function opened(files: readonly RuleFile[], lists: Lists): RuleSet {
  const { set, problems } = openRules(files, lists)
  if (!set) throw new ConfigError(problems.map(placed))
  return set
}

/** The detections that ship, unchanged. */
export function shippedDetections(): RuleSet {
  return opened(yamlFilesIn(shipped('detections')), { bulk_vendors: [], core_vendors: [] })
}

/** The policies and detections that ship, under the names a bundle gives them. */
export function shippedFiles(): ReadonlyMap<string, Buffer> {
  const named = (folder: string, source: string) =>
    yamlFilesIn(shipped(source)).map(({ file, text }) => [`${folder}/${basename(file)}`, Buffer.from(text)] as const)
  return new Map([...named('policy', 'policies'), ...named('detections', 'detections')])
}
