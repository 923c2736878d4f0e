import { systemClock } from '../adapters/clock-system.ts'
import { listenAdmin } from '../server/admin.ts'
import { listenHttp } from '../server/http.ts'
import type { Gateway } from './gateway.ts'
import type { GatewayOptions } from './options.ts'

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
  }
  readonly admin: { readonly host: string; readonly port: number; readonly token?: string }
}

/** Opens the agents' and the operators' listeners. Refuses, with neither left open, when a port is taken. */
export async function listen({ gateway, options, listen: http, admin: ops }: ListenOptions): Promise<Addresses> {
  const fault = (error: unknown) => options.report({ level: 'error', fault: String(error) })
  const { host, port, token = gateway.keys.adminToken } = ops
  const admin = await listenAdmin({ service: gateway.admin, host, port, token, fault }).catch(
    taken('admin', host, port),
  )
  try {
    const scopes = options.catalog.list.flatMap(({ visibleWith }) => visibleWith)
    const authorizationServers = options.identity.issuers.map(({ issuer }) => issuer)
    const mcp = await listenHttp({
      service: gateway.service,
      ...http,
      authorizationServers,
      scopes: [...new Set(scopes)].sort(),
      clock: systemClock(),
      fault,
    }).catch(taken('listen', http.host, http.port))
    return { mcp: mcp.url, admin: admin.url, close: async () => void (await Promise.all([mcp.close(), admin.close()])) }
  } catch (error) {
    await admin.close()
    throw error
  }
}

function taken(section: string, host: string, port: number) {
  return (error: NodeJS.ErrnoException): never => {
    if (error.code !== 'EADDRINUSE') throw error
    throw new Error(`${host}:${port} is in use. Stop what listens there, or choose another ${section}.port.`, {
      cause: error,
    })
  }
}
