import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** A connection's certificate never changes: it is hashed once. */
const known = new WeakMap<Socket, string | undefined>()

/**
 * SHA-256 of the client certificate's DER, base64url: what `cnf.x5t#S256` in a token is compared with (RFC 8705 §3.1).
 * Undefined when the connection showed none, or one that our authorities did not issue: then it proves nothing.
 */
export function certThumbOf({ socket }: Pick<IncomingMessage, 'socket'>): string | undefined {
  if (!known.has(socket)) known.set(socket, thumbOf(socket))
  return known.get(socket)
}

function thumbOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Buffer }
  return raw === undefined ? undefined : createHash('sha256').update(raw).digest('base64url')
}
