import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { systemClock } from '../adapters/clock-system.ts'
import { ConfigError, gatewayOptions, type Surroundings } from '../apps/from-config.ts'
import { openGateway, type Gateway } from '../apps/gateway.ts'
import type { GatewayOptions } from '../apps/options.ts'
import { loadConfig, resolveConfig, type LoadedConfig } from '../config/load.ts'
import { builtIn, type Config } from '../config/schema.ts'
import type { ServiceSection } from '../config/sections.ts'
import { defaultGuard } from '../limits/guard.ts'
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

/** Opens a gateway as configured, or a development one; brings the bundled services up where the configuration asks for them. */
export async function start(asked: StartOptions): Promise<Started> {
  await using held = new AsyncDisposableStack()
  const loaded = asked.file === undefined ? developmentConfig(asked) : loadConfig(asked.file)
  const { config } = loaded
  if (!config) throw new ConfigError(loaded.problems.map(placed))
  await mkdir(asked.data, { recursive: true, mode: 0o700 })
  const token = randomBytes(32).toString('hex')
  const services: Started['services'] = config.services === builtIn ? await startServices(token, asked.notes ?? []) : {}
  for (const service of Object.values(services)) held.defer(() => service.close())
  const served = config.services === builtIn ? { ...config, services: sectionsFor(services) } : config
  const environment = { ...asked.environment, [tokenVariable]: token }
  const options = await gatewayOptions({ ...loaded, config: served }, { ...asked, environment })
  const gateway = await openGateway(options)
  held.defer(() => gateway.close())
  const open = held.move()
  return { config: served, options, gateway, services, close: () => open.disposeAsync() }
}

const tokenVariable = 'SLUICEGATE_DEMO_SERVICE_TOKEN'

function sectionsFor(services: Started['services']): Config['services'] {
  const service: ServiceSection = {
    regions: Object.fromEntries(Object.entries(services).map(([region, { url }]) => [region, url])),
    token: { from: 'env', name: tokenVariable },
    guard: defaultGuard,
  }
  return { orders: service, flags: service, crm: service }
}

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
function developmentConfig(asked: StartOptions): LoadedConfig {
  const sections = {
    mode: 'development',
    auth: {
      tenants: { acme: { home: 'US' }, globex: { home: 'EU' }, initech: { home: 'US' }, local: { home: 'US' } },
      regions: { EU: 'eu-west', US: 'us-east' },
      stdio: { grants: ['orders.read', 'flags.write:dev', 'flags.write:staging', 'web.fetch'] },
    },
    services: builtIn,
    detector: { stages: { default: 'shadow', rules: { tainted_sink: 'enforce', loop_arrest: 'enforce' } } },
    ...asked.over,
  }
  return resolveConfig(stringify(sections), join(asked.data, 'sluicegate.yaml'))
}
