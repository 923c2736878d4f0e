import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'

/** What the proxy does to connections from now on; `fine` lets everything through. */
export type Fault =
  | 'fine'
  /** Accepts, and closes at once. */
  | 'drop'
  /** Passes the request on, and cuts when the answer begins. */
  | 'cut'
  /** Accepts, takes everything, passes nothing on and never answers. */
  | 'half-open'
  /** Passes everything on, the answer after a while. */
  | { readonly latencyMs: number }
  /** Passes everything on, the answer a byte at a time. */
  | { readonly byteEveryMs: number }

export interface FaultProxy extends AsyncDisposable {
  readonly url: string
  /** Connections that were opened to it so far. */
  readonly connections: () => number
  /** Holds for connections and answers that begin from now on; established ones are closed, so that none escapes it. */
  become(fault: Fault): void
  close(): Promise<void>
}

/** A TCP proxy in front of `target` that does what goes wrong between two machines. */
export async function faultProxy(target: URL): Promise<FaultProxy> {
  let fault: Fault = 'fine'
  let opened = 0
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    opened += 1
    keep(sockets, near)
    if (fault === 'drop') return void near.destroy()
    if (fault === 'half-open') return void near.resume()
    join(near, keep(sockets, connect(Number(target.port), target.hostname)), fault)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const cutAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  const close = async () => {
    cutAll()
    await new Promise((resolve) => server.close(resolve))
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => opened,
    become(next) {
      fault = next
      cutAll()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function keep(sockets: Set<Socket>, socket: Socket): Socket {
  sockets.add(socket)
  socket.on('error', () => socket.destroy())
  socket.on('close', () => sockets.delete(socket))
  return socket
}

function join(near: Socket, far: Socket, fault: Fault): void {
  near.pipe(far)
  near.on('close', () => far.destroy())
  far.on('close', () => near.destroy())
  if (fault === 'cut') far.once('data', () => near.destroy())
  else if (typeof fault !== 'object') far.pipe(near)
  else if ('latencyMs' in fault) far.on('data', (piece) => setTimeout(() => near.write(piece), fault.latencyMs))
  else far.on('data', (piece: Buffer) => void trickle(near, piece, fault.byteEveryMs))
}

async function trickle(near: Socket, piece: Buffer, everyMs: number): Promise<void> {
  for (let at = 0; at < piece.length && !near.destroyed; at += 1) {
    near.write(piece.subarray(at, at + 1))
    await after(everyMs)
  }
}
