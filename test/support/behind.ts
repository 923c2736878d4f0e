import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request as it reached what stands behind the gateway. */
export interface Arrived {
  readonly method: string
  /** Decoded path and query. */
  readonly where: string
  readonly tenant: string | undefined
  readonly body: string
  /** Everything that was sent, head included. */
  readonly raw: string
}

/** Stands for every service, and for any site of the web, and writes down all that reaches it. */
export interface Behind {
  readonly url: string
  readonly port: number
  /** What arrived since the last look. */
  take(): readonly Arrived[]
  close(): void
}

/** Starts it. It answers what the bundled tools expect of their services. */
export async function listenBehind(): Promise<Behind> {
  let arrived: Arrived[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => void pieces.push(piece))
    request.on('end', () => {
      const { method = '', url = '/' } = request
      const body = Buffer.concat(pieces).toString()
      const where = decoded(url.replaceAll('+', ' '))
      const tenant = request.headersDistinct['x-tenant']?.[0]
      arrived.push({ method, where, tenant, body, raw: `${url}\n${request.rawHeaders.join('\n')}\n${body}` })
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answerTo(url)))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    take() {
      const taken = arrived
      arrived = []
      return taken
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** As it stands where its percent signs encode nothing. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function answerTo(url: string): object {
  const [, name, env] = /^\/flags\/([^/]+)\/([^/?]+)/.exec(url) ?? []
  if (name !== undefined)
    return { name, env, rolloutPct: 1, previousPct: 0, created: false, updatedAt: '2025-09-01T00:00:00Z' }
  if (url.startsWith('/contacts/preview')) return { count: 1 }
  if (url.startsWith('/contacts/bulk')) return { segment: 'vip', updated: 1 }
  return { total: 0, orders: [] }
}

/** Sections that lead every service, and the partner's site, to it. */
export function sectionsTo({ url, port }: Behind) {
  const service = () => ({ regions: { 'us-east': url, 'eu-west': url } })
  return {
    services: { orders: service(), flags: service(), crm: service() },
    egress: { allow: ['partner.example'], hosts: { 'partner.example': port } },
  }
}
