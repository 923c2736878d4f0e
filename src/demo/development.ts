import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { systemClock } from '../adapters/clock-system.ts'
import type { Surroundings } from '../apps/surroundings.ts'
import { startConfigured, type Configured } from '../apps/start.ts'
import { loadConfig, resolveConfig, type LoadedConfig } from '../config/load.ts'
import { builtIn, type Config } from '../config/schema.ts'
import type { ServiceSection } from '../config/sections.ts'
import { defaultGuard } from '../limits/guard.ts'
import { startService, type Note, type Service } from './service/start.ts'
import { regions, tenants, type Region } from './service/tenants.ts'
import type { Traffic } from './service/traffic.ts'

export interface StartOptions extends Surroundings {
  /** A configuration file; without one, a development server with the bundled service API. */
  readonly file?: string
  /** Sections laid over the development configuration, when there is no file. */
  readonly over?: Readonly<Record<string, unknown>>
  readonly notes?: readonly Note[]
  /** Users of the bundled flags. */
  readonly traffic?: Traffic
}

export interface Started extends Configured {
  /** The bundled service APIs, by region; none when a file names others. */
  readonly services: Readonly<Partial<Record<Region, Service>>>
}

/** Opens a gateway as configured, or a development one; brings the bundled services up where the configuration asks for them. */
export async function start(asked: StartOptions): Promise<Started> {
  await using held = new AsyncDisposableStack()
  const { file } = asked
  const loaded = file === undefined ? developmentConfig(asked) : loadConfig(file)
  const token = randomBytes(32).toString('hex')
  const bundled = loaded.config?.services === builtIn
  const services: Started['services'] = bundled ? await startServices(token, asked) : {}
  for (const service of Object.values(services)) held.defer(() => service.close())
  const configured = await startConfigured({
    ...asked,
    environment: { ...asked.environment, [tokenVariable]: token },
    loaded,
    ...(file !== undefined && { reread: () => loadConfig(file) }),
    complete: (config) => (config.services === builtIn ? { ...config, services: sectionsFor(services) } : config),
  })
  held.defer(() => configured.close())
  const open = held.move()
  return { ...configured, services, close: () => open.disposeAsync() }
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

async function startServices(
  token: string,
  { notes = [], traffic }: Pick<StartOptions, 'notes' | 'traffic'>,
): Promise<Record<Region, Service>> {
  const tokens = { [token]: tenants }
  const one = (region: Region) =>
    startService({
      region,
      seed: 'sluicegate',
      clock: systemClock(),
      tokens,
      notes: notes.filter(({ orderId }) => orderId.includes(`-${region.slice(0, 2)}-`)),
      ...(traffic && { traffic }),
    })
  const [west, east] = await Promise.all(regions.map(one))
  return { 'eu-west': west as Service, 'us-east': east as Service }
}

/** Development, on loopback: three tenants, two regions, the shipped rules; two of them may stop a session unasked. */
export function developmentConfig(asked: Pick<StartOptions, 'data' | 'over'>): LoadedConfig {
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
