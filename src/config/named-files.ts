import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { PrincipalEntry } from '../identity/directory.ts'
import { placedDocument, type PlacedDocument, type Problem } from '../policy/document.ts'
import { readPolicies } from '../policy/read.ts'
import { PrincipalsFile, type ElevationRequest, type PrincipalItem } from './documents.ts'
import { explain } from './explain.ts'
import { builtIn, type Config } from './schema.ts'
import { readSource, unreadable, type At, type Source } from './source.ts'

/** All principals, and what is asked for on their behalf: those in place and those in the files that are named. */
export function readPrincipals(config: Config, at: At) {
  const items: PrincipalItem[] = []
  const problems: Problem[] = []
  const sources: Source[] = []
  for (const [index, listed] of config.principals.entries()) {
    if (typeof listed !== 'string') {
      items.push(listed)
      continue
    }
    const source = readSource(listed)
    if (typeof source === 'string') problems.push(at(['principals', index], source))
    else {
      sources.push(source)
      const read = principalsIn(source)
      items.push(...read.items)
      problems.push(...read.problems)
    }
  }
  const elevations = items.filter(isRequest)
  return { entries: items.filter(isEntry), elevations, problems, sources }
}

const isRequest = (item: PrincipalItem): item is ElevationRequest => 'request' in item
const isEntry = (item: PrincipalItem): item is PrincipalEntry => !isRequest(item)

/** JSON is YAML, so one reader serves both. */
function principalsIn({ file, text }: Source): {
  readonly items: readonly PrincipalItem[]
  readonly problems: readonly Problem[]
} {
  const document = placedDocument(text, file)
  if (document.problems.length > 0) return { items: [], problems: document.problems }
  const parsed = PrincipalsFile.safeParse(document.data)
  if (!parsed.success) return { items: [], problems: explain(parsed.error, file, document) }
  return { items: [parsed.data].flat(), problems: [] }
}

/** Policy files in order, with rules in place before them. Every rule is read, so that every problem is known. */
export function readPolicyFiles(config: Config, own: Source, document: PlacedDocument, at: At) {
  const problems: Problem[] = []
  const sources: Source[] = []
  const inPlace = inlineRules(config, own, document)
  if (inPlace) sources.push(inPlace)
  for (const [index, entry] of config.policies.entries()) {
    if (typeof entry !== 'string' || entry === builtIn) continue
    const found = policyFilesAt(entry)
    if (typeof found === 'string') problems.push(at(['policies', index], found))
    else sources.push(...found)
  }
  return { problems: [...problems, ...readPolicies(sources).problems], sources }
}

/** Rules in place, as a file of their own in which each stands on the line it has in the configuration. */
function inlineRules(config: Config, { file }: Source, document: PlacedDocument): Source | undefined {
  const lines: string[] = []
  for (const [index, entry] of config.policies.entries()) {
    if (typeof entry === 'string') continue
    const line = document.lineOf(['policies', index])
    while (lines.length < line - 1) lines.push('')
    lines.push(`- ${JSON.stringify(entry)}`)
  }
  return lines.length === 0 ? undefined : { file, text: `${lines.join('\n')}\n` }
}

/** One file, or every `.yaml` and `.yml` of a directory in order of name; a sentence when neither can be read. */
function policyFilesAt(place: string): readonly Source[] | string {
  try {
    const names = statSync(place).isDirectory()
      ? readdirSync(place).filter((name) => /\.ya?ml$/.test(name)).sort().map((name) => path.join(place, name)) // prettier-ignore
      : [place]
    const read = names.map(readSource)
    return read.find((source) => typeof source === 'string') ?? (read as readonly Source[])
  } catch (error) {
    return unreadable(place, error)
  }
}
