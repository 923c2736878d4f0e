import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../ports/clock.ts'
import { answer, plainRoutes, type Desk } from './answer.ts'
import type { Tokens } from './caller.ts'
import { hit, type Faults } from './faults.ts'
import { flagRoutes } from './flags.ts'
import { requestLog, type SeenRequest } from './seen.ts'
import { openStore } from './store.ts'
import { branches, type Region } from './tenants.ts'
import { putTicket, type ServiceTicket } from './tickets.ts'
import { quietTraffic, trafficLog, type Traffic } from './traffic.ts'

/** A text to stand in the note field of one order. */
export interface Note {
  readonly tenant: string
  readonly orderId: string
  readonly text: string
}

export interface ServiceOptions {
  readonly region: Region
  /** TCP port on 127.0.0.1; 0 or absent takes a free one. */
  readonly port?: number
  /** Decides every row. */
  readonly seed: string
  readonly clock: Clock
  readonly tokens: Tokens
  /** Speaks TLS, to clients with a certificate of these authorities only. All PEM. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string }
  readonly notes?: readonly Note[]
  /** Change tickets the register knows from the start. */
  readonly tickets?: readonly ServiceTicket[]
  /** Read on every request, so a test may change its fields at any time. */
  readonly faults?: Faults
  /** Users of the flags; read on every request, like faults. */
  readonly traffic?: Traffic
}

export interface Service {
  /** Base URL without a trailing slash. */
  readonly url: string
  readonly region: Region
  /** The last requests that arrived, oldest first, at most 1,000. */
  requests(): readonly SeenRequest[]
  /** Overwrites the note of an order. Refuses an order that does not exist. */
  plant(note: Note): void
  /** Writes a change ticket, over one of the same name. */
  file(ticket: ServiceTicket): void
  close(): Promise<void>
}

/** Starts one region's service: orders, feature flags and contacts of the tenants whose data lives there. Loopback only. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { region, seed, clock, tokens, notes = [], tickets = [], faults = {}, traffic = quietTraffic } = options
  const store = openStore(seed, region, clock.nowMs())
  for (const note of notes) plant(store, note)
  for (const ticket of tickets) putTicket(store, ticket)
  const held = branches(region).map((branch) => branch.tenant)
  const routes = [...plainRoutes, ...flagRoutes(trafficLog(traffic, clock.nowMs()))]
  const desk: Desk = { store, tokens, held, nowMs: () => clock.nowMs(), routes }
  const log = requestLog()
  const server = serverWith(options.tls, (request, response) => {
    void respond(desk, faults, log.add, request, response)
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region,
    requests: log.list,
    plant: (note) => plant(store, note),
    file: (ticket) => putTicket(store, ticket),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      store.close()
    },
  }
}

function serverWith(tls: ServiceOptions['tls'], listener: RequestListener): Server {
  const dials = { maxHeaderSize: 8192, requestTimeout: 30_000 }
  return tls
    ? createSecureServer({ ...dials, ...tls, minVersion: 'TLSv1.3', requestCert: true }, listener)
    : createServer(dials, listener)
}

async function respond(
  desk: Desk,
  faults: Faults,
  see: (request: IncomingMessage) => void,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  see(request)
  try {
    const fault = await hit(faults, `${request.method} ${request.url}`)
    if (fault === 'drop') return void request.socket.destroy()
    const reply = fault === 'ok' || fault === 'drop-after' ? await answer(desk, request) : fault
    if (fault === 'drop-after') return void request.socket.destroy()
    await faults.slowAfter?.(`${request.method} ${request.url}`)
    send(response, reply.status, reply.body, 'replayed' in reply && reply.replayed === true)
  } catch {
    send(response, 500, { error: { code: 'internal', message: 'The service failed.' } }, false)
  }
}

function send(response: ServerResponse, status: number, body: unknown, replayed: boolean): void {
  if (response.headersSent || response.destroyed) return
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  response.writeHead(status, { ...headers, ...(replayed && { 'idempotency-replayed': 'true' }) })
  response.end(JSON.stringify(body))
}

function plant(store: DatabaseSync, { tenant, orderId, text }: Note): void {
  const { changes } = store
    .prepare('update orders set note = ? where tenant = ? and orderId = ?')
    .run(text, tenant, orderId)
  if (Number(changes) !== 1) throw new Error(`Cannot plant a note: ${tenant} has no order ${orderId} in this region.`)
}
