import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectSecurely } from 'node:tls'

export interface RawExchange {
  /** Whom to trust, where the address is `https`. */
  readonly ca?: string
  /** Sent once the listener asks for it with `100 Continue`. */
  readonly onContinue?: string
  /** Nothing more is read once this is true of what came. */
  readonly enough?: (seen: string) => boolean
}

/** Sends exactly these bytes, and gives everything that comes back until the listener closes the connection. */
export async function exchanged(url: string, bytes: string, more: RawExchange = {}): Promise<string> {
  const { port, protocol } = new URL(url)
  const secure = protocol === 'https:'
  const where = { port: Number(port), host: '127.0.0.1' }
  const socket = secure ? connectSecurely({ ...where, ca: more.ca, servername: 'localhost' }) : connect(where)
  await once(socket, secure ? 'secureConnect' : 'connect')
  socket.write(bytes)
  let seen = ''
  try {
    for await (const piece of socket as AsyncIterable<Buffer>) {
      seen += piece.toString()
      if (more.onContinue !== undefined && seen === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write(more.onContinue)
      if (more.enough?.(seen) === true) break
    }
  } catch (error) {
    // Whoever is refused before the last byte was sent may find the door shut.
    if (!['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  socket.destroy()
  return seen
}
