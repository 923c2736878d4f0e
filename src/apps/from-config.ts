import { readdirSync, readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { consoleAlertSink } from '../adapters/alert-console.ts'
import { jsonlAlertSink } from '../adapters/alert-jsonl.ts'
import { webhookAlertSink } from '../adapters/alert-webhook.ts'
import { systemClock } from '../adapters/clock-system.ts'
import { nodeFiles } from '../adapters/files.ts'
import { openIssuerKey } from '../adapters/issuer-key-file.ts'
import { openKeys } from '../adapters/keys-file.ts'
import { ticketsFile } from '../adapters/tickets-file.ts'
import { ticketsHttp } from '../adapters/tickets-http.ts'
import { guardRule } from '../config/guard-section.ts'
import type { LoadedConfig } from '../config/load.ts'
import { builtIn, type Config, type SinkSection } from '../config/schema.ts'
import { isLoopback } from '../config/transport.ts'
import { unknownRules, unknownTools } from '../config/unknown-names.ts'
import { openRules, type RuleSet } from '../detection/check.ts'
import { runExamples } from '../detection/examples.ts'
import type { RuleFile } from '../detection/load.ts'
import type { Lists } from '../detection/select.ts'
import { verifySnapshot } from '../detection/snapshot.ts'
import { developmentIssuer } from '../identity/issuer.ts'
import { scopesProblem, type ElevationAsk } from '../identity/elevation.ts'
import type { ReplayMode } from '../identity/replay.ts'
import type { TrustedIssuer } from '../identity/token.ts'
import { compilePolicy } from '../policy/compile.ts'
import { placed } from '../policy/document.ts'
import { judgeExamples } from '../policy/judge-examples.ts'
import { readPolicies } from '../policy/read.ts'
import type { AlertSink } from '../ports/alert-sink.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Secret } from '../ports/secret.ts'
import type { TicketRegister } from '../ports/tickets.ts'
import type { Tool } from '../ports/tool.ts'
import { builtInAliases, catalog, toolNames } from '../tools/catalog.ts'
import { builtInTools } from '../tools/built-in.ts'
import { scopesAsked } from '../tools/scopes.ts'
import { egressLists, spelled } from '../tools/egress-lists.ts'
import { exposedSecrets } from './exposure.ts'
import { openIssuerKeys } from './issuer-keys.ts'
import { once, type Keep } from './kept.ts'
import { tlsOfServices } from './service-tls.ts'
import type { GatewayOptions } from './options.ts'
import { credentials, secretsOf, type Secrets } from './secrets.ts'

/** Rules and policies that come with the product. */
const shipped = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))

/** Everything that is wrong with a configuration, one line each. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
  }
}

export interface Surroundings {
  readonly data: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly report: (line: JsonObject) => void
  /** What the process was started with; nothing when absent. */
  readonly argv?: readonly string[]
  /** Tools beside the built-in ones. */
  readonly tools?: readonly Tool[]
  /** Gives what was opened for the same words before. Absent: everything is opened anew. */
  readonly keep?: Keep
}

/** Resolves a configuration into what a gateway is made of. Throws a `ConfigError` with every problem. */
export async function gatewayOptions(loaded: LoadedConfig, around: Surroundings): Promise<GatewayOptions> {
  const options = await resolved(loaded, around)
  const exposed = options.mode === 'production' ? exposedSecrets(options.secrets.list(), around) : []
  if (exposed.length > 0) throw new ConfigError(exposed)
  return options
}

async function resolved(loaded: LoadedConfig, around: Surroundings): Promise<GatewayOptions> {
  const { config } = loaded
  if (!config) throw new ConfigError(loaded.problems.map(placed))
  const offered = [...builtInTools, ...(around.tools ?? [])]
  const lists = listsOf(config)
  const rules = await detectionsOf(config, lists, around)
  refuseUnknown(config, offered, rules)
  refuseKeyless(offered)
  const tools = toolsOf(config, offered)
  const { keep = once } = around
  const secrets = await secretsOf(config, { ...around, keep })
  const rollouts = guardRule(config.tools['flag.set']?.guard, config.mode)
  const tickets = await ticketsOf(config, secrets, around)
  return {
    mode: config.mode,
    data: around.data,
    gateway: config.evidence.gateway,
    deployment: config.evidence.deployment,
    signing: config.evidence.signing,
    state: config.state.kind,
    catalog: catalog(tools, aliasesFor(tools)),
    toolNames: toolNames(catalog(offered, aliasesFor(offered))),
    policy: policyOf(loaded),
    identity: {
      issuers: await issuersOf(config, around),
      audience: config.auth.audience,
      skewSec: config.auth.skewSeconds,
      replay: replayOf(config),
      principals: loaded.principals,
      ...(config.mode === 'development' && { local: localOf(config) }),
    },
    elevations: elevationsOf(loaded, config, tools),
    regions: {
      tenants: Object.fromEntries(Object.entries(config.auth.tenants).map(([tenant, { home }]) => [tenant, home])),
      backends: config.auth.regions,
    },
    services: await servicesOf(config, secrets, around),
    egress: {
      ...egressLists({ mode: config.mode, ...config.egress }),
      bulk: config.egress.bulk.map(spelled),
    },
    limits: {
      tenants: config.limits.tenants,
      tools: Object.fromEntries(Object.entries(config.tools).map(([tool, { limits }]) => [tool, limits ?? {}])),
    },
    objectives: objectivesOf(config),
    tickets,
    ...(rollouts && { rollouts }),
    detector: { rules, lists, stages: config.detector.stages, ...(await baselineOf(config, around)) },
    sinks: await Promise.all(config.alerts.sinks.map((sink, index) => sinkOf(sink, `alerts.sinks.${index}`, secrets))),
    telemetry: await telemetryOf(config, secrets),
    ...(config.admin.token && { adminToken: await secrets.open('admin.token', config.admin.token) }),
    secrets,
    configDigest: loaded.digest,
    report: around.report,
  }
}

/** A request without a tenant is one for each tenant there is: every grant is bound to one. */
function elevationsOf({ elevations }: LoadedConfig, { auth }: Config, tools: readonly Tool[]): readonly ElevationAsk[] {
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
function refuseUnknown(config: Config, tools: readonly Tool[], { rules }: RuleSet): void {
  const unknown = [
    ...unknownTools(config, tools.map(({ definition }) => definition.name)), // prettier-ignore
    ...unknownRules(config, rules.map(({ rule }) => rule.name)), // prettier-ignore
  ]
  if (unknown.length > 0) throw new ConfigError(unknown.map(({ path, message }) => `${path.join('.')}: ${message}`))
}

/** Whoever repeats a change must be able to say that it is a repeat. */
function refuseKeyless(tools: readonly Tool[]): void {
  const keyless = tools.filter(({ effect, needsIdemKey }) => /^(write|destructive)$/.test(effect) && !needsIdemKey)
  const problem = ({ definition }: Tool) => `tools: ${definition.name} changes something and takes no idemKey.`
  if (keyless.length > 0) throw new ConfigError(keyless.map(problem))
}

function toolsOf(config: Config, tools: readonly Tool[]): readonly Tool[] {
  return tools
    .filter(({ definition }) => config.tools[definition.name]?.enabled !== false)
    .map((tool) => ({ ...tool, costUsd: config.tools[tool.definition.name]?.costUsd ?? tool.costUsd }))
}

function objectivesOf({ tools }: Config): Readonly<Record<string, number>> {
  const set = Object.entries(tools).flatMap(([tool, { p95Ms }]) => (p95Ms === undefined ? [] : [[tool, p95Ms / 1000]]))
  return Object.fromEntries(set) as Readonly<Record<string, number>>
}

/** Aliases whose tool is switched off lead nowhere. */
function aliasesFor(tools: readonly Tool[]): Readonly<Record<string, string>> {
  const names = new Set(tools.map(({ definition }) => definition.name))
  return Object.fromEntries(Object.entries(builtInAliases).filter(([, tool]) => names.has(tool)))
}

/** Rules that keep what their own examples promise. Those that ship keep theirs by themselves; other rules may well overrule them. */
function policyOf({ policies }: LoadedConfig) {
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

async function detectionsOf(
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
function listsOf({ detector, egress }: Config): Lists {
  const bulk = egress.bulk.map(spelled)
  return { bulk_vendors: bulk, core_vendors: bulk, ...detector.lists }
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

function opened(files: readonly RuleFile[], lists: Lists): RuleSet {
  const { set, problems } = openRules(files, lists)
  if (!set) throw new ConfigError(problems.map(placed))
  return set
}

function yamlFilesIn(path: string): readonly RuleFile[] {
  if (!statSync(path).isDirectory()) return [{ file: path, text: readFileSync(path, 'utf8') }]
  const names = readdirSync(path).filter((name) => /\.ya?ml$/.test(name))
  return names.sort().map((name) => ({ file: join(path, name), text: readFileSync(join(path, name), 'utf8') }))
}

async function issuersOf(
  config: Config,
  { data, report, keep = once }: Surroundings,
): Promise<readonly TrustedIssuer[]> {
  const { issuers, maxTtlSeconds, audience } = config.auth
  const clock = systemClock()
  const fault = (message: unknown) => report({ level: 'error', fault: String(message) })
  const configured = issuers.map(async (section) => ({
    issuer: section.issuer,
    keys: await keep('issuer', [section.issuer, section.jwks, section.algorithms, section.ca], () =>
      openIssuerKeys(section, clock, fault),
    ),
    maxTtlSeconds: section.maxTtlSeconds ?? maxTtlSeconds,
    nbfOptional: section.nbf === 'optional',
  }))
  if (config.mode === 'production') return Promise.all(configured)
  const [key, ...trusted] = await Promise.all([openIssuerKey(nodeFiles(), data), ...configured])
  return [...trusted, developmentIssuer({ key, clock, mode: config.mode, audience, maxTtlSeconds }).trusted]
}

/** On a developer's own machine one token serves several clients, unless the file says what it may be used for. */
function replayOf({ mode, listen, auth }: Config): ReplayMode {
  return auth.replay ?? (mode === 'development' && isLoopback(listen.host) ? 'lenient' : 'bound')
}

/** Who calls over stdio without a token, in development. */
function localOf(config: Config) {
  return { tenant: 'local', principal: 'agent:local', scopes: config.auth.stdio.grants }
}

async function servicesOf(
  config: Config,
  secrets: Secrets,
  { keep = once }: Surroundings,
): Promise<GatewayOptions['services']> {
  if (config.services === builtIn)
    throw new ConfigError(['services: the bundled service API runs in `serve` and `demo` only.'])
  const services = Object.entries(config.services)
  const tokens = new Map<string, Secret>()
  for (const [name, { token }] of services)
    if (token) tokens.set(name, await secrets.open(`services.${name}.token`, token))
  return {
    urls: Object.fromEntries(services.map(([name, { regions }]) => [name, regions])),
    credential: credentials(tokens),
    guards: Object.fromEntries(services.map(([name, { guard }]) => [name, guard])),
    tls: await tlsOfServices(config.mode, config.services, keep),
  }
}

async function telemetryOf({ mode, telemetry }: Config, secrets: Secrets): Promise<GatewayOptions['telemetry']> {
  const { otlp, spansFile, traceTrust, spanNaming } = telemetry
  const headers: Record<string, Secret> = {}
  for (const [name, ref] of Object.entries(otlp?.headers ?? {}))
    headers[name] = await secrets.open(`telemetry.otlp.headers.${name}`, ref)
  return {
    spansFile,
    traceTrust,
    spanNaming,
    environment: telemetry.environment ?? mode,
    ...(otlp && { otlp: { url: otlp.url, headers } }),
  }
}

/** What is normal, learned before: read only when a trusted key signed it. */
async function baselineOf(
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

async function sinkOf(sink: SinkSection, at: string, secrets: Secrets): Promise<AlertSink> {
  switch (sink.kind) {
    case 'console':
      return consoleAlertSink({ write: (line) => void process.stderr.write(line) })
    case 'jsonl':
      return jsonlAlertSink({ path: sink.path })
    case 'webhook': {
      const secret = sink.secret && (await secrets.open(`${at}.secret`, sink.secret))
      return webhookAlertSink({ url: new URL(sink.url), clock: systemClock(), ...(secret && { secret }) })
    }
  }
}

async function ticketsOf(
  { tickets: { file, url, token } }: Config,
  secrets: Secrets,
  { keep = once, report }: Surroundings,
): Promise<TicketRegister> {
  const fault = ({ message }: Error) => report({ level: 'error', fault: message })
  if (file !== undefined) return ticketsFile({ file, fault })
  if (url === undefined || token === undefined) return noTickets
  const secret = await secrets.open('tickets.token', token)
  return keep('tickets', [url, token], () => ticketsHttp({ url, token: secret, clock: systemClock(), fault }))
}

const noTickets: TicketRegister = {
  find: async () => undefined,
  approvedFor: async () => [],
  problem: () => undefined,
}

/** Everything that keeps the policy from being used, one line each: rules that cannot be read, and examples they do not keep. */
export function policyProblems(loaded: LoadedConfig): readonly string[] {
  try {
    policyOf(loaded)
    return []
  } catch (error) {
    return linesOf(error)
  }
}

/** The same of detections, and of stages set for detections and tools that there are not. */
export async function detectionProblems(config: Config): Promise<readonly string[]> {
  try {
    const rules = await detectionsOf(config, listsOf(config), { keep: once })
    refuseUnknown(config, builtInTools, rules)
    return []
  } catch (error) {
    return linesOf(error)
  }
}

function linesOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.message.split('\n')
  const { code, path } = error as NodeJS.ErrnoException
  return [path === undefined ? String(error) : `${path}: cannot be read (${code ?? 'unknown error'}).`]
}
