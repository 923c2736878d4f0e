import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { systemClock } from '../adapters/clock-system.ts'
import { ConfigError, gatewayOptions, type Surroundings } from '../apps/from-config.ts'
import { openGateway, type Gateway } from '../apps/gateway.ts'
import type { GatewayOptions } from '../apps/options.ts'
import { loadConfig, resolveConfig, type LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { placed } from '../policy/document.ts'
import { startService, type Note, type Service } from './service/start.ts'
import { regions, tenants, type Region } from './service/tenants.ts'

export interface StartOptions extends Surroundings {
  /** A configuration file; without one, a development server with the bundled service API. */
  readonly file?: string
  /** Sections laid over the development configuration, when there is no file. */
  readonly over?: Readonly<Record<string, unknown>>
  readonly notes?: readonly Note[]
}

export interface Started {
  readonly config: Config
  readonly options: GatewayOptions
  readonly gateway: Gateway
  /** The bundled service APIs, by region; none when a file names others. */
  readonly services: Readonly<Partial<Record<Region, Service>>>
  close(): Promise<void>
}

/** Opens a gateway as configured, or a development one with its own services. Refuses with every problem of the configuration. */
export async function start(asked: StartOptions): Promise<Started> {
  await mkdir(asked.data, { recursive: true, mode: 0o700 })
  await using held = new AsyncDisposableStack()
  const token = randomBytes(32).toString('hex')
  const services: Started['services'] = asked.file === undefined ? await startServices(token, asked.notes ?? []) : {}
  for (const service of Object.values(services)) held.defer(() => service.close())
  const loaded = asked.file === undefined ? developmentConfig(asked, services) : loadConfig(asked.file)
  if (!loaded.config) throw new ConfigError(loaded.problems.map(placed))
  const environment = asked.file === undefined ? { ...asked.environment, [tokenVariable]: token } : asked.environment
  const options = await gatewayOptions(loaded, { ...asked, environment })
  const gateway = await openGateway(options)
  held.defer(() => gateway.close())
  const open = held.move()
  return { config: loaded.config, options, gateway, services, close: () => open.disposeAsync() }
}

const tokenVariable = 'SLUICEGATE_DEMO_SERVICE_TOKEN'

async function startServices(token: string, notes: readonly Note[]): Promise<Record<Region, Service>> {
  const tokens = { [token]: tenants }
  const one = (region: Region) =>
    startService({
      region,
      seed: 'sluicegate',
      clock: systemClock(),
      tokens,
      notes: notes.filter(({ orderId }) => orderId.includes(`-${region.slice(0, 2)}-`)),
    })
  const [west, east] = await Promise.all(regions.map(one))
  return { 'eu-west': west as Service, 'us-east': east as Service }
}

/** Development, on loopback: three tenants, two regions, the shipped rules; two of them may stop a session unasked. */
function developmentConfig(asked: StartOptions, services: Readonly<Partial<Record<Region, Service>>>): LoadedConfig {
  const urls = Object.fromEntries(Object.entries(services).map(([region, { url }]) => [region, url]))
  const service = { regions: urls, token: `env:${tokenVariable}` }
  const sections = {
    mode: 'development',
    auth: {
      tenants: { acme: { home: 'US' }, globex: { home: 'EU' }, initech: { home: 'US' }, local: { home: 'US' } },
      regions: { EU: 'eu-west', US: 'us-east' },
      stdio: { grants: ['orders.read', 'flags.write:dev', 'flags.write:staging', 'web.fetch'] },
    },
    services: { orders: service, flags: service, crm: service },
    detector: { stages: { default: 'shadow', rules: { tainted_sink: 'enforce', loop_arrest: 'enforce' } } },
    ...asked.over,
  }
  return resolveConfig(stringify(sections), join(asked.data, 'sluicegate.yaml'))
}
