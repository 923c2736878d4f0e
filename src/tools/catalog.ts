import { createHash } from 'node:crypto'
import type { ToolNames } from '../control/aim.ts'
import { canonicalize } from '../evidence/canonical.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Tool } from '../ports/tool.ts'

/** The tools that can be called, in the order they are listed. Never changes; a new catalog replaces it whole. */
export interface Catalog {
  /** Fixed order: the order of definition. */
  readonly list: readonly Tool[]
  /** SHA-256 over the canonical definitions of all tools in order, hex. */
  readonly digest: string
  /** A tool by its name or by an alias of it. */
  readonly get: (name: string) => Tool | undefined
  /** SHA-256 of one tool's canonical definition, hex. */
  readonly digestOf: (name: string) => string | undefined
}

/** Names under which documents and older agents know a built-in tool. */
export const builtInAliases: Readonly<Record<string, string>> = { 'web.fetch': 'web.fetchSafe' }

/** Builds a catalog. Throws for a name that is malformed or used twice, and for an alias that leads nowhere or hides a tool. */
export function catalog(tools: readonly Tool[], aliases: Readonly<Record<string, string>> = {}): Catalog {
  const byName = new Map<string, Tool>()
  for (const tool of tools) {
    const { name } = tool.definition
    if (!/^[A-Za-z0-9_.-]{1,128}$/.test(name))
      throw new Error(`The tool name ${JSON.stringify(name)} is not 1 to 128 of A-Z a-z 0-9 _ . -`)
    if (byName.has(name)) throw new Error(`Two tools are named ${name}.`)
    byName.set(name, tool)
  }
  const named = (name: string) => byName.get(name) ?? byName.get(aliasOf(aliases, name))
  for (const [alias, name] of Object.entries(aliases)) {
    if (byName.has(alias)) throw new Error(`The alias ${alias} hides a tool of that name.`)
    if (!byName.has(name)) throw new Error(`The alias ${alias} leads to ${name}, which is no tool.`)
  }
  const digests = new Map(tools.map((tool) => [tool.definition.name, digestOf(tool)]))
  return {
    list: Object.freeze([...tools]),
    digest: sha256(canonicalize([...digests.entries()].map(([name, digest]) => [name, digest]))),
    get: named,
    digestOf: (name) => digests.get(named(name)?.definition.name ?? ''),
  }
}

/** The tools of a catalog as orders may name them. */
export function toolNames({ get, list }: Pick<Catalog, 'get' | 'list'>): ToolNames {
  return { own: (name) => get(name)?.definition.name, all: list.map(({ definition }) => definition.name) }
}

function aliasOf(aliases: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(aliases, name) ? (aliases[name] ?? '') : ''
}

function digestOf(tool: Tool): string {
  return sha256(canonicalize(tool.definition as unknown as JsonObject))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
