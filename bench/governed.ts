import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { systemClock } from '../src/adapters/clock-system.ts'
import { nodeFiles } from '../src/adapters/files.ts'
import { openIssuerKey } from '../src/adapters/issuer-key-file.ts'
import { gatewayOptions } from '../src/apps/from-config.ts'
import { openGateway, type Gateway } from '../src/apps/gateway.ts'
import type { GatewayOptions } from '../src/apps/options.ts'
import { loadConfig } from '../src/config/load.ts'
import { developmentIssuer } from '../src/identity/issuer.ts'
import type { Tool } from '../src/ports/tool.ts'
import { defineTool } from '../src/tools/define.ts'
import { argsSchema, lookUp, resultSchema, toolName, type LookupArgs } from './lookup.ts'
import { policyText } from './policy.ts'

/** Who makes all the calls. */
export const caller = { sub: 'agent:bench', tenant: 'acme' } as const

interface Who {
  readonly sub: string
  readonly tenant: string
}

const scope = 'orders.lookup'

/** The same function as on the stock side, under every control. */
const tool = defineTool<LookupArgs>({
  name: toolName,
  title: 'Look up an order',
  description: 'Gives the state of one order.',
  args: argsSchema,
  result: resultSchema,
  effect: 'read',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  costUsd: 0,
  examples: [],
  visibleWith: [scope],
  scopes: () => [scope],
  invoke: async (args) => ({ structured: { ...lookUp(args) } }),
})

export interface Governed {
  readonly gateway: Gateway
  readonly options: GatewayOptions
  /** A token that lives as long as any may. */
  readonly token: string
}

/** Opens a gateway the way `serve --config` does: a file, fifty rules, the shipped detections, evidence in `directory`. */
export async function openGoverned(directory: string): Promise<Governed> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  writeFileSync(join(directory, 'policy.yaml'), policyText())
  const options = await optionsFrom(directory, configText(), [tool])
  const token = await tokenFor(options, caller, [scope])
  return { gateway: await openGateway(options), options, token }
}

/** Options from a configuration file, which is written into `directory` first. */
export async function optionsFrom(directory: string, config: string, tools: readonly Tool[] = []) {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const file = join(directory, 'sluicegate.yaml')
  writeFileSync(file, config)
  return gatewayOptions(loadConfig(file), {
    data: dataIn(directory),
    environment: {},
    report: (line) => appendFileSync(join(directory, 'report.jsonl'), `${JSON.stringify(line)}\n`),
    tools,
  })
}

/** The data directory of a gateway that was opened in `directory`. */
export const dataIn = (directory: string): string => join(directory, 'data')

/** Ceilings that are looked at on every call and never reached. */
const limits = { rpm: 1_000_000, burst: 1_000_000, concurrency: 1_000 }

function configText(): string {
  return stringify({
    mode: 'development',
    auth: { tenants: { [caller.tenant]: { home: 'US' } } },
    principals: [{ principal: caller.sub, allow: [scope], limits }],
    policies: ['./policy.yaml'],
    alerts: { sinks: [{ kind: 'jsonl', path: './alerts.jsonl' }] },
  })
}

/** A token that lives as long as any may. */
export async function tokenFor(options: GatewayOptions, who: Who, scopes: readonly string[]): Promise<string> {
  const { data, identity } = options
  const key = await openIssuerKey(nodeFiles(), data)
  const issuer = developmentIssuer({ key, clock: systemClock(), mode: 'development', audience: identity.audience })
  return issuer.issue({ ...who, scopes, ttlSec: 600 })
}
