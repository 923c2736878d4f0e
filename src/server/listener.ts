import { constants } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { backlog, type Backlog } from './backlog.ts'
import { sharePlaces } from './connection-places.ts'
import { defaultDials, type Cut, type CutReason, type Dials } from './dials.ts'
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
  endMalformed(server, cut)
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
        if (tls) response.setHeader('strict-transport-security', 'max-age=31536000')
        if (request.rawHeaders.length > 2 * dials.headersMax) return tooMany(response, cut)
        handle(request, response)
      }),
  }
}

/** Once it listens, trouble with taking connections (no descriptors left) is told, and the next ones are taken. */
async function bound(server: Server, { host, port, fault }: ListenerOptions): Promise<void> {
  await once(server.listen(port, host), 'listening')
  server.on('error', fault)
}

/** Headers beyond the bound are not there for whoever judges the request: it is refused, not cut to size. */
function tooMany(response: ServerResponse, cut: Cut): void {
  cut('headers')
  response.writeHead(431, { connection: 'close', 'content-length': 0 })
  response.end()
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

/** A client that went away is no news. */
function reasonOf(code: string): CutReason | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'slow_request'
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers'
  return code.startsWith('HPE_') ? 'malformed' : undefined
}

const statuses: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** Answers what is no HTTP, or not in time, where nothing was answered yet, and closes the connection either way. */
function endMalformed(server: Server, cut: Cut): void {
  const answering = new WeakMap<Socket, ServerResponse>()
  server.prependListener('request', (request, response) => void answering.set(request.socket, response))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const reason = reasonOf(error.code ?? '')
    if (reason) cut(reason)
    const response = answering.get(socket)
    const silent = response === undefined || response.writableFinished || !response.headersSent
    if (socket.writable && silent) {
      socket.write(`HTTP/1.1 ${statuses[error.code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`)
    }
    setImmediate(() => socket.destroy())
  })
  server.on('tlsClientError', () => cut('handshake'))
}
