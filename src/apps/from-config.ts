import { guardRule } from '../config/guard-section.ts'
import type { LoadedConfig } from '../config/load.ts'
import { placed } from '../policy/document.ts'
import { builtInTools } from '../tools/built-in.ts'
import { catalog, toolNames } from '../tools/catalog.ts'
import { egressLists, spelled } from '../tools/egress-lists.ts'
import { ConfigError } from './config-error.ts'
import { issuersOf, replayOf, localOf } from './configured-identity.ts'
import { busOf, servicesOf, ticketsOf, telemetryOf, sinkOf } from './configured-places.ts'
import { policyOf, detectionsOf, listsOf, baselineOf } from './configured-rules.ts'
import { elevationsOf, refuseUnknown, refuseKeyless, toolsOf, objectivesOf, aliasesFor } from './configured-tools.ts'
import { exposedSecrets } from './exposure.ts'
import { once } from './kept.ts'
import type { GatewayOptions } from './options.ts'
import { secretsOf } from './secrets.ts'
import type { Surroundings } from './surroundings.ts'

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
    ...(await busOf(config, secrets, around)),
    telemetry: await telemetryOf(config, secrets),
    ...(config.admin.token && { adminToken: await secrets.open('admin.token', config.admin.token) }),
    secrets,
    configDigest: loaded.digest,
    report: around.report,
  }
}
