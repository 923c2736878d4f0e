import path from 'node:path'
import type { PrincipalEntry } from '../identity/directory.ts'
import { placedDocument, type Problem } from '../policy/document.ts'
import { isJsonObject } from '../ports/json.ts'
import { readBaseline, type Demand } from './baseline.ts'
import type { ElevationRequest } from './documents.ts'
import { explain } from './explain.ts'
import type { Place } from './fields.ts'
import { contradictions } from './judge.ts'
import { readPolicyFiles, readPrincipals } from './named-files.ts'
import { knownKeys } from './schema-keys.ts'
import { builtIn, configSchema, type Config } from './schema.ts'
import { digestOf, problemAt, readSource, type At, type Path, type Source } from './source.ts'
import { unknownTools } from './unknown-names.ts'

export interface ParsedConfig {
  /** There when nothing is wrong. */
  readonly config?: Config
  /** Everything that is wrong, not only the first. */
  readonly problems: readonly Problem[]
  /** What works, and may not be what somebody wanted. */
  readonly warnings: readonly Problem[]
}

/** A configuration with every file it names. */
export interface LoadedConfig extends ParsedConfig {
  /** What the file itself says, before a baseline has its say; there when it could be read. */
  readonly own?: Config
  /** What a baseline asks of sections that are read once. */
  readonly demands: readonly Demand[]
  /** All principals, from the file itself and the files it names. */
  readonly principals: readonly PrincipalEntry[]
  /** What is asked for on their behalf, from the same places. */
  readonly elevations: readonly ElevationRequest[]
  /** Policy files in order; `builtin` asks for the rules that come with the product, before these. */
  readonly policies: { readonly builtIn: boolean; readonly sources: readonly Source[] }
  /** SHA-256 over the configuration and every file it names, hex: what evidence records. */
  readonly digest: string
  /** Files and directories whose change is a change of the configuration. */
  readonly places: readonly string[]
}

/**
 * Reads the text of a configuration file. `file` names it in problems and is where relative paths begin. With the names of all
 * `tools` there will be, settings for others are problems. Never throws.
 */
export function parseConfig(text: string, file: string, tools?: readonly string[]): ParsedConfig {
  const document = placedDocument(text, file)
  if (document.problems.length > 0) return { problems: document.problems, warnings: [] }
  const data = document.data ?? {}
  const place = placeOf(data, file)
  const parsed = configSchema(place).safeParse(data)
  if (!parsed.success) return { problems: explain(parsed.error, file, document, knownKeys(place)), warnings: [] }
  const placedAt: At = (where, message) => problemAt(document, file, where, message)
  const { problems: unfit, warnings } = contradictions(parsed.data, placedAt)
  const stray = tools
    ? unknownTools(parsed.data, tools).map(({ path: where, message }) => placedAt(where, message))
    : []
  const problems = [...unfit, ...stray]
  return problems.length > 0 ? { problems, warnings } : { config: parsed.data, problems, warnings }
}

/** Reads a configuration file and everything it names; `tools` as in `parseConfig`. Never throws: what cannot be read is a problem. */
export function loadConfig(file: string, tools?: readonly string[]): LoadedConfig {
  const source = readSource(file)
  if (typeof source === 'string') return nothing([{ file, line: 1, path: '', message: source }], { file, text: '' })
  return resolve(parseConfig(source.text, file, tools), source)
}

/** Reads the text of a configuration and everything it names. `file` is its name in problems, and where relative paths begin. */
export function resolveConfig(text: string, file: string): LoadedConfig {
  return resolve(parseConfig(text, file), { file, text })
}

function resolve(parsed: ParsedConfig, source: Source): LoadedConfig {
  const { config } = parsed
  if (config === undefined) return nothing(parsed.problems, source, parsed.warnings)
  const document = placedDocument(source.text, source.file)
  const at = (where: Path, message: string): Problem => problemAt(document, source.file, where, message)
  const baseline = readBaseline(config, at)
  const principals = readPrincipals(config, at)
  const policies = readPolicyFiles(config, source, document, at)
  const problems = [...baseline.problems, ...principals.problems, ...policies.problems]
  const sources = [source, ...baseline.sources, ...principals.sources, ...policies.sources]
  return {
    ...(problems.length === 0 && { config: baseline.config }),
    own: config,
    demands: baseline.demands,
    problems,
    warnings: [...parsed.warnings, ...baseline.warnings],
    principals: principals.entries,
    elevations: principals.elevations,
    policies: { builtIn: config.policies.includes(builtIn), sources: policies.sources },
    digest: digestOf(sources),
    places: [source.file, ...named(config)],
  }
}

function nothing(problems: readonly Problem[], source: Source, warnings: readonly Problem[] = []): LoadedConfig {
  const policies = { builtIn: false, sources: [] }
  const none = { demands: [], principals: [], elevations: [], policies }
  return { problems, warnings, ...none, digest: digestOf([source]), places: [source.file] }
}

function named({ baseline, principals, policies, detector }: Config): readonly string[] {
  const all = [baseline, ...principals, ...policies, ...detector.rules]
  return all.filter((entry) => typeof entry === 'string' && entry !== builtIn) as readonly string[]
}

function placeOf(data: unknown, file: string): Place {
  const mode = isJsonObject(data) && data['mode'] === 'development' ? 'development' : 'production'
  return { mode, directory: path.dirname(path.resolve(file)) }
}
