import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../adapters/clock-system.ts'
import { openKeys } from '../adapters/keys-file.ts'
import type { LoadedConfig } from '../config/load.ts'
import { builtIn, type Config } from '../config/schema.ts'
import type { RuleSet } from '../detection/check.ts'
import { runExamples } from '../detection/examples.ts'
import type { RuleFile } from '../detection/load.ts'
import type { Lists } from '../detection/select.ts'
import { verifySnapshot } from '../detection/snapshot.ts'
import { compilePolicy } from '../policy/compile.ts'
import { placed } from '../policy/document.ts'
import { judgeExamples } from '../policy/judge-examples.ts'
import { readPolicies } from '../policy/read.ts'
import type { JsonObject } from '../ports/json.ts'
import { builtInTools } from '../tools/built-in.ts'
import { builtInAliases } from '../tools/catalog.ts'
import { spelled } from '../tools/egress-lists.ts'
import { ConfigError, problemLines } from './config-error.ts'
import { refuseUnknown } from './configured-tools.ts'
import { once } from './kept.ts'
import { shipped, yamlFilesIn, opened } from './shipped.ts'
import type { Surroundings } from './surroundings.ts'

/** Rules that keep what their own examples promise. Those that ship keep theirs by themselves; other rules may well overrule them. */
export function policyOf({ policies }: LoadedConfig) {
  const builtin = policies.builtIn ? yamlFilesIn(shipped('policies')) : []
  const { rules, problems } = readPolicies([...builtin, ...policies.sources])
  if (problems.length > 0) throw new ConfigError(problems.map(placed))
  const own = new Set(policies.sources.map(({ file }) => file))
  const failed = judgeExamples(rules, { aliases: builtInAliases }).filter(
    ({ passed, file }) => !passed && own.has(file),
  )
  if (failed.length > 0) throw new ConfigError(failed.map(brokenPromise))
  return compilePolicy(rules, { aliases: builtInAliases })
}

/** Detections that keep what the examples of one’s own promise. Rejects with every problem. */
export async function detectionsOf(
  { detector }: Config,
  lists: Lists,
  { keep = once }: Pick<Surroundings, 'keep'>,
): Promise<RuleSet> {
  const own = detector.rules.filter((path) => path !== builtIn).flatMap(yamlFilesIn)
  const builtin = detector.rules.includes(builtIn) ? yamlFilesIn(shipped('detections')) : []
  return keep('detections', [builtin, own, lists], () => proven(opened([...builtin, ...own], lists), own))
}

/** The same rules, once those of one's own do what their examples promise. */
function proven(set: RuleSet, own: readonly RuleFile[]): RuleSet {
  const rules = set.rules.filter((rule) => own.some(({ file }) => file === rule.file))
  const failed = runExamples({ ...set, rules }).filter(({ ok }) => !ok)
  if (failed.length > 0) throw new ConfigError(failed.map((one) => brokenPromise({ ...one, name: one.example })))
  return set
}

type Failed = Readonly<Record<'file' | 'rule' | 'name', string>> & { readonly line: number; readonly message?: string }

function brokenPromise({ file, line, rule, name, message = 'failed' }: Failed): string {
  return `${file}:${line}: the example '${name}' of '${rule}' fails: ${message}`
}

/** Lists that rules refer to by name, in conditions and in `never`. */
export function listsOf({ detector, egress }: Config): Lists {
  const bulk = egress.bulk.map(spelled)
  return { bulk_vendors: bulk, core_vendors: bulk, ...detector.lists }
}

/** What is normal, learned before: read only when a trusted key signed it. */
export async function baselineOf(
  { detector: { baseline }, evidence }: Config,
  { data, keep = once }: Surroundings,
): Promise<{ readonly baseline?: JsonObject }> {
  if (baseline === undefined) return {}
  return keep('detector baseline', baseline, async () => {
    const keys = await openKeys(join(data, 'keys'), systemClock(), evidence.deployment)
    const opened = verifySnapshot(JSON.parse(await readFile(baseline, 'utf8')), keys.trusted)
    if (opened.kind === 'refused') throw new ConfigError([`${baseline}: ${opened.message}`])
    return { baseline: opened.snapshot }
  })
}

/** Everything that keeps the policy from being used, one line each: rules that cannot be read, and examples they do not keep. */
export function policyProblems(loaded: LoadedConfig): readonly string[] {
  try {
    policyOf(loaded)
    return []
  } catch (error) {
    return problemLines(error)
  }
}

/** The same of detections, and of stages set for detections and tools that there are not. */
export async function detectionProblems(config: Config): Promise<readonly string[]> {
  try {
    const rules = await detectionsOf(config, listsOf(config), { keep: once })
    refuseUnknown(config, builtInTools, rules)
    return []
  } catch (error) {
    return problemLines(error)
  }
}
