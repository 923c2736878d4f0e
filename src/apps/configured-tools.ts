import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { unknownRules, unknownTools } from '../config/unknown-names.ts'
import type { RuleSet } from '../detection/check.ts'
import { scopesProblem, type ElevationAsk } from '../identity/elevation.ts'
import type { Tool } from '../ports/tool.ts'
import { builtInAliases } from '../tools/catalog.ts'
import { scopesAsked } from '../tools/scopes.ts'
import { ConfigError } from './config-error.ts'

/** A request without a tenant is one for each tenant there is: every grant is bound to one. */
export function elevationsOf(
  { elevations }: LoadedConfig,
  { auth }: Config,
  tools: readonly Tool[],
): readonly ElevationAsk[] {
  const known = scopesAsked(tools)
  const problems = elevations.flatMap(({ principal, request }) => {
    const problem = scopesProblem([request], known)
    return problem === undefined ? [] : [`principals: the request of ${principal}: ${problem}.`]
  })
  if (problems.length > 0) throw new ConfigError(problems)
  return elevations.flatMap(({ request, tenant, ...rest }) =>
    (tenant === undefined ? Object.keys(auth.tenants) : [tenant]).map((one) => ({
      ...rest,
      tenant: one,
      scopes: [request],
      requestedBy: 'configuration',
    })),
  )
}

/** A setting for a tool or a detection that there is not would hold for nothing, and look as if it held. */
export function refuseUnknown(config: Config, tools: readonly Tool[], { rules }: RuleSet): void {
  const unknown = [
    ...unknownTools(config, tools.map(({ definition }) => definition.name)), // prettier-ignore
    ...unknownRules(config, rules.map(({ rule }) => rule.name)), // prettier-ignore
  ]
  if (unknown.length > 0) throw new ConfigError(unknown.map(({ path, message }) => `${path.join('.')}: ${message}`))
}

/** Whoever repeats a change must be able to say that it is a repeat. */
export function refuseKeyless(tools: readonly Tool[]): void {
  const keyless = tools.filter(({ effect, needsIdemKey }) => /^(write|destructive)$/.test(effect) && !needsIdemKey)
  const problem = ({ definition }: Tool) => `tools: ${definition.name} changes something and takes no idemKey.`
  if (keyless.length > 0) throw new ConfigError(keyless.map(problem))
}

/** Tools that are not switched off, at the price that is set for them. */
export function toolsOf(config: Config, tools: readonly Tool[]): readonly Tool[] {
  return tools
    .filter(({ definition }) => config.tools[definition.name]?.enabled !== false)
    .map((tool) => ({ ...tool, costUsd: config.tools[tool.definition.name]?.costUsd ?? tool.costUsd }))
}

/** The P95 objective of each tool that has one, seconds. */
export function objectivesOf({ tools }: Config): Readonly<Record<string, number>> {
  const set = Object.entries(tools).flatMap(([tool, { p95Ms }]) => (p95Ms === undefined ? [] : [[tool, p95Ms / 1000]]))
  return Object.fromEntries(set) as Readonly<Record<string, number>>
}

/** Aliases whose tool is switched off lead nowhere. */
export function aliasesFor(tools: readonly Tool[]): Readonly<Record<string, string>> {
  const names = new Set(tools.map(({ definition }) => definition.name))
  return Object.fromEntries(Object.entries(builtInAliases).filter(([, tool]) => names.has(tool)))
}
