import { stringify } from 'yaml'
import { systemClock } from '../src/adapters/clock-system.ts'
import { openGateway } from '../src/apps/gateway.ts'
import { listenHttp } from '../src/server/http.ts'
import { serveParent } from './child.ts'
import { optionsFrom, tokenFor } from './governed.ts'

/**
 * Serves `orders.export` to three tenants: one that is honest, one with a limit of two calls a second, and one whose region
 * has a service at another port. From the directory given, with services at the two ports given.
 */

const [directory, finePort, otherPort] = process.argv.slice(2)
if (directory === undefined) throw new Error('serve-beside.ts takes a directory and two ports.')

const limits = { rpm: 1_000_000, burst: 1_000_000, concurrency: 1_000 }
const agents = ['agent:honest', 'agent:noisy', 'agent:abroad']
const options = await optionsFrom(directory, configText())
const tokens = await Promise.all(
  ['honest', 'noisy', 'abroad'].map((tenant) => tokenFor(options, { sub: `agent:${tenant}`, tenant }, ['orders.read'])),
)
const gateway = await openGateway(options)
const listener = await listenHttp({
  service: gateway.service,
  host: '127.0.0.1',
  port: 0,
  authorizationServers: options.identity.issuers.map(({ issuer }) => issuer),
  scopes: [],
  clock: systemClock(),
  fault: (error) => options.report({ level: 'error', fault: String(error) }),
})
const [honest, noisy, abroad] = tokens
serveParent({ port: Number(new URL(listener.url).port), honest, noisy, abroad }, async () => {
  await listener.close()
  await gateway.close()
})

function configText(): string {
  const at = (port: string | undefined) => `http://127.0.0.1:${port}`
  return stringify({
    mode: 'development',
    auth: {
      tenants: { honest: { home: 'US' }, noisy: { home: 'US' }, abroad: { home: 'EU' } },
      regions: { US: 'us-east', EU: 'eu-west' },
    },
    services: { orders: { regions: { 'us-east': at(finePort), 'eu-west': at(otherPort) } } },
    principals: agents.map((principal) => ({ principal, limits })),
    limits: { tenants: { noisy: { rpm: 120, burst: 2 } } },
    detector: { stages: { default: 'off' } },
    alerts: { sinks: [{ kind: 'jsonl', path: './alerts.jsonl' }] },
  })
}
