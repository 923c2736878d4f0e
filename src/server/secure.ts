import { constants } from 'node:crypto'
import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { SecureContextOptions } from 'node:tls'

/** TLS of a listener: the pair to begin with, and each that takes its place. */
export interface ListenerTls {
  readonly clientCert: 'none' | 'request' | 'require'
  current(): SecureContextOptions
  /** Hands over each new pair from here on. */
  follow(take: (context: SecureContextOptions) => void): void
}

/** Longest handshake, milliseconds. Before it ends nothing is known of a client, and nothing is served. */
const handshakeTimeoutMs = 5_000

/**
 * An HTTP server, with TLS where there is a certificate for it. A new certificate is for new connections; those that are
 * open live on. No handshake is abbreviated where clients have certificates: each connection proves its own.
 */
export function serverWith(dials: ServerOptions, tls?: ListenerTls): Server {
  if (!tls) return createServer(dials)
  const { clientCert } = tls
  const settings = (context: SecureContextOptions): SecureContextOptions =>
    clientCert === 'none' ? context : { ...context, secureOptions: constants.SSL_OP_NO_TICKET }
  const server = createSecureServer({
    ...dials,
    ...settings(tls.current()),
    handshakeTimeout: handshakeTimeoutMs,
    requestCert: clientCert !== 'none',
    rejectUnauthorized: clientCert === 'require',
  })
  tls.follow((context) => server.setSecureContext(settings(context)))
  server.on('request', (_request, response) => {
    response.setHeader('strict-transport-security', 'max-age=31536000')
  })
  return server
}

/** `https` where there is TLS. */
export const schemeOf = (tls: ListenerTls | undefined): 'http' | 'https' => (tls ? 'https' : 'http')
