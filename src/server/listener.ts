import { constants } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { onlySecurely } from './answer-headers.ts'
import { backlog, type Backlog } from './backlog.ts'
import { sharePlaces } from './connection-places.ts'
import { defaultDials, type Cut, type Dials } from './dials.ts'
import { earlyStatus, endMalformed, sendBare } from './early-answers.ts'
import { holdBodiesBack, sendUnmet } from './expectations.ts'
import { slowClients } from './slow-clients.ts'

/** TLS of a listener: the pair to begin with, and each that takes its place. */
export interface ListenerTls {
  readonly clientCert: 'none' | 'request' | 'require'
  current(): SecureContextOptions
  /** Hands over each new pair from here on. */
  follow(take: (context: SecureContextOptions) => void): void
}

export interface ListenerOptions {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  /** Absent, HTTP is spoken in clear: on loopback, or behind a proxy. */
  readonly tls?: ListenerTls
  readonly dials?: Partial<Dials>
  readonly fault: (error: unknown) => void
  /** Told why a connection was closed before its client was done. */
  readonly cut?: Cut
}

export interface Listening {
  readonly server: Server
  readonly port: number
  /** e.g. `https://127.0.0.1:8787`. */
  readonly origin: string
  readonly scheme: 'http' | 'https'
  readonly backlog: Backlog
  /** Gives every request that is taken from here on to `handle`; call it at once, and once. */
  serve(handle: (request: IncomingMessage, response: ServerResponse) => void): void
}

/**
 * Opens a listener whose clients are cut when they are too slow or take too much. A new certificate is for new
 * connections; those that are open live on. Rejects when the port is taken.
 */
export async function openListener(options: ListenerOptions): Promise<Listening> {
  const { host, tls, cut = () => undefined } = options
  const dials = { ...defaultDials, ...options.dials }
  const server = serverWith(dials, tls)
  sharePlaces(server, dials, cut)
  const clients = slowClients(server, dials, cut)
  endMalformed(server, tls !== undefined, cut)
  holdBodiesBack(server)
  await bound(server, options)
  const { port } = server.address() as AddressInfo
  const scheme = tls ? 'https' : 'http'
  const origin = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    server,
    port,
    origin,
    scheme,
    backlog: backlog(dials, cut),
    serve: (handle) =>
      void server.on('request', (request, response) => {
        clients.see(request, response)
        if (tls) response.setHeaders(new Map(Object.entries(onlySecurely)))
        if (!refusedEarly(request, response, dials, cut)) handle(request, response)
      }),
  }
}

/** Once it listens, trouble with taking connections (no descriptors left) is told, and the next ones are taken. */
async function bound(server: Server, { host, port, fault }: ListenerOptions): Promise<void> {
  await once(server.listen(port, host), 'listening')
  server.on('error', fault)
}

/** Whether the request was refused before anybody judged it. Headers beyond the bound are not there for whoever would. */
function refusedEarly(request: IncomingMessage, response: ServerResponse, { headersMax }: Dials, cut: Cut): boolean {
  const status = earlyStatus(request, headersMax)
  if (status === undefined) return sendUnmet(request, response)
  if (status === 431) cut('headers')
  sendBare(response, status)
  return true
}

function serverWith(dials: Dials, tls: ListenerTls | undefined): Server {
  const server = tls ? secureServer(dials, tls) : createServer(settingsOf(dials))
  // One more than is served, so that a request with too many can be told from one that has just enough.
  server.maxHeadersCount = dials.headersMax + 1
  server.maxRequestsPerSocket = dials.requestsPerConnectionMax
  server.maxConnections = dials.connectionsMax
  return server
}

const settingsOf = (dials: Dials) => ({
  headersTimeout: dials.headersMs,
  requestTimeout: dials.requestMs,
  connectionsCheckingInterval: dials.lookEveryMs,
  keepAliveTimeout: dials.keepAliveMs,
  maxHeaderSize: dials.headerBytesMax,
  // Refused here, with the headers of every answer.
  requireHostHeader: false,
})

/** No handshake is abbreviated where clients have certificates, and none done again: each connection proves one, once. */
function secureServer(dials: Dials, tls: ListenerTls): Server {
  const { clientCert } = tls
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION | (clientCert === 'none' ? 0 : constants.SSL_OP_NO_TICKET)
  const settings = (context: SecureContextOptions): SecureContextOptions => ({ ...context, secureOptions })
  const server = createSecureServer({
    ...settingsOf(dials),
    ...settings(tls.current()),
    handshakeTimeout: dials.handshakeMs,
    requestCert: clientCert !== 'none',
    rejectUnauthorized: clientCert === 'require',
  })
  tls.follow((context) => server.setSecureContext(settings(context)))
  return server
}
