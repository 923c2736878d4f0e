import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Orders and flags that outlive a gateway, and count what was done to each flag. */
export interface FlagService {
  readonly url: string
  /** How often each flag was set, by name. */
  readonly effects: ReadonlyMap<string, number>
  close(): void
}

/** Starts the service. A flag named `held_…` is set and never answered. */
export async function flagService(): Promise<FlagService> {
  const effects = new Map<string, number>()
  const server = createServer((asked, response) => {
    asked.resume().on('end', () => {
      const [, name, env] = /^\/flags\/([^/]+)\/([^/]+)$/.exec(asked.url ?? '') ?? []
      if (name !== undefined) effects.set(name, (effects.get(name) ?? 0) + 1)
      if (name?.startsWith('held_')) return
      const set = { name, env, rolloutPct: 5, previousPct: 0, created: true, updatedAt: '2025-09-01T00:00:00Z' }
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(name === undefined ? { total: 0, orders: [] } : set))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    effects,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** A configuration file in front of it, for gateways that are killed: nothing limits the release agent. */
export function killableConfiguration(url: string): string {
  const service = `{ regions: { us-east: '${url}', eu-west: '${url}' } }`
  return `
mode: development
listen: { port: 0 }
admin: { port: 0 }
auth: { tenants: { acme: { home: US }, initech: { home: US } }, regions: { US: us-east, EU: eu-west } }
services: { orders: ${service}, flags: ${service}, crm: ${service} }
principals:
  - { principal: 'agent:release', limits: { rpm: 1000000, burst: 1000000, concurrency: 10000 }, stop_rules: { max_retries: 1000000 } }
alerts: { sinks: [] }
`
}
