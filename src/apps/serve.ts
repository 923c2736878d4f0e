import { systemClock } from '../adapters/clock-system.ts'
import { fileSecret } from '../adapters/secrets-file.ts'
import type { TlsSection } from '../config/tls-section.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Secret } from '../ports/secret.ts'
import { listenAdmin, type AdminService } from '../server/admin.ts'
import { listenHttp } from '../server/http.ts'
import type { ListenerTls } from '../server/listener.ts'
import type { Gateway } from './gateway.ts'
import type { GatewayOptions } from './options.ts'
import type { Reloads } from './reload.ts'
import { openTls } from './tls-sections.ts'

/** Where a gateway can be reached. */
export interface Addresses {
  /** MCP over Streamable HTTP. */
  readonly mcp: string
  readonly admin: string
  close(): Promise<void>
}

export interface ListenOptions {
  readonly gateway: Gateway
  readonly options: GatewayOptions
  readonly listen: {
    readonly host: string
    readonly port: number
    readonly hosts: readonly string[]
    readonly origins: readonly string[]
    readonly publicUrl?: string
    readonly tls?: TlsSection
    readonly connections?: { readonly max: number; readonly perAddress: number }
  }
  readonly admin: {
    readonly host: string
    readonly port: number
    readonly hosts?: readonly string[]
    readonly tls?: TlsSection
  }
  /** Lets operators see and reload the configuration. */
  readonly reloads?: Reloads
  /** How often certificates are looked at, milliseconds. */
  readonly certificatesEveryMs?: number
}

/** Opens the agents' and the operators' listeners. Refuses, with neither left open, when a port is taken or a certificate is not good. */
export async function listen(asked: ListenOptions): Promise<Addresses> {
  await using held = new AsyncDisposableStack()
  const { gateway, options } = asked
  const { tls: httpFiles, connections, ...http } = asked.listen
  const { cut } = gateway.transport
  const { tls: opsFiles, ...ops } = asked.admin
  const fault = (error: unknown) => options.report({ level: 'error', fault: String(error) })
  const stopping = new AbortController()
  const token = options.adminToken ?? ownToken(gateway, fault)
  const opsTls = await tlsOf(held, asked, 'admin', opsFiles)
  const httpTls = await tlsOf(held, asked, 'listen', httpFiles)
  const admin = held.adopt(
    await listenAdmin({ service: operated(asked, stopping.signal), ...ops, ...opsTls, token, cut, fault }).catch(
      taken('admin', ops),
    ),
    (one) => one.close(),
  )
  const mcp = await listenHttp({
    service: gateway.service,
    ...http,
    ...httpTls,
    // Read when asked for: a reload may have changed them.
    get authorizationServers() {
      return gateway.changes.now().identity.issuers.map(({ issuer }) => issuer)
    },
    get scopes() {
      return scopesOf(gateway.changes.now())
    },
    ...(connections && { dials: dialsOf(connections) }),
    cut,
    clock: systemClock(),
    fault,
  }).catch(taken('listen', http))
  const open = held.move()
  return {
    mcp: mcp.url,
    admin: admin.url,
    async close() {
      stopping.abort()
      await mcp.close()
      // Last: operators see to the end what is left to be done.
      await open.disposeAsync()
    },
  }
}

/** The token that the data directory holds: live, like every other secret. */
const ownToken = ({ keys: { adminTokenFile: path } }: Gateway, fault: (error: unknown) => void): Secret =>
  fileSecret({ name: 'admin.token', path, ownerOnly: true, clock: systemClock(), fault })

function scopesOf({ catalog }: GatewayOptions): readonly string[] {
  return [...new Set(catalog.list.flatMap(({ visibleWith }) => visibleWith))].sort()
}

/** What operators may see and do, with the configuration where there is one to read again. */
function operated({ gateway, reloads }: ListenOptions, stopping: AbortSignal): AdminService {
  const stops = () => (stopping.aborted ? ['The gateway is stopping: it finishes what it has begun.'] : [])
  const admin: AdminService = { ...gateway.admin, problems: () => [...stops(), ...gateway.admin.problems()] }
  if (!reloads) return admin
  return {
    ...admin,
    config: {
      state: () => reloads.state() as unknown as JsonObject,
      reload: () => reloads.reload(),
    },
    // Without the problems: health is shown to everybody, what stands in files is not.
    warnings: () => [
      ...(reloads.state().refused ? ['A changed configuration was refused; the old one is in force.'] : []),
      ...admin.warnings(),
    ],
  }
}

const dialsOf = ({ max, perAddress }: NonNullable<ListenOptions['listen']['connections']>) => ({
  connectionsMax: max,
  connectionsPerAddressMax: perAddress,
})

/** A listener's certificate, read again when its files change, for as long as the listener is open. */
async function tlsOf(
  held: AsyncDisposableStack,
  { gateway: { transport }, options, certificatesEveryMs }: ListenOptions,
  name: 'listen' | 'admin',
  section: TlsSection | undefined,
): Promise<{ readonly tls?: ListenerTls }> {
  if (!section) return {}
  const opening = {
    mode: options.mode,
    clock: systemClock(),
    told: transport.certificate,
    ...(certificatesEveryMs !== undefined && { everyMs: certificatesEveryMs }),
  }
  const source = await openTls({ name, use: 'server', section }, opening)
  transport.watch(source)
  held.defer(() => {
    source.close()
    transport.forget(source)
  })
  return { tls: { clientCert: section.clientCert, current: source.current, follow: source.follow } }
}

function taken(section: string, { host, port }: { readonly host: string; readonly port: number }) {
  return (error: NodeJS.ErrnoException): never => {
    if (error.code !== 'EADDRINUSE') throw error
    throw new Error(`${host}:${port} is in use. Stop what listens there, or choose another ${section}.port.`, {
      cause: error,
    })
  }
}
