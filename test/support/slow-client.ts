import { connect, type Socket } from 'node:net'
import { modernCall } from './wire.ts'

/** How a client is slow. */
export type Slowness = 'silent' | 'slow header' | 'slow body' | 'slow body, no token' | 'slow reader'

export const slownesses: readonly Slowness[] = [
  'silent',
  'slow header',
  'slow body',
  'slow body, no token',
  'slow reader',
]

export interface SlowClient {
  readonly slowness: Slowness
  /** Whether its connection has been closed for it. One that does not read learns of that when it wakes. */
  closed(): boolean
  receivedBytes(): number
  /** Reads from here on as fast as it can. */
  wake(): void
  destroy(): void
}

/** Between two bytes of a client that goes on sending. */
const trickleMs = 400

/** A client that takes its time, for as long as it is let. The slow reader asks for the tool `large`. */
export function slowClient(port: number, slowness: Slowness): SlowClient {
  const socket = connect(port, '127.0.0.1')
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let receivedBytes = 0
  socket.on('error', () => undefined)
  socket.on('data', (piece: Buffer) => (receivedBytes += piece.length))
  socket.on('close', () => {
    closed = true
    clearInterval(timer)
  })
  if (slowness === 'slow reader') socket.pause()
  socket.on('connect', () => {
    for (const piece of beginningOf(slowness)) socket.write(piece)
    if (slowness !== 'silent' && slowness !== 'slow reader') timer = setInterval(() => trickle(socket), trickleMs)
  })
  return {
    slowness,
    closed: () => closed,
    receivedBytes: () => receivedBytes,
    wake: () => void socket.resume(),
    destroy: () => void socket.destroy(),
  }
}

function trickle(socket: Socket): void {
  if (socket.writable) socket.write('x')
}

function beginningOf(slowness: Slowness): readonly string[] {
  const { body, headers } = modernCall('large', {})
  const text = JSON.stringify(body)
  const all = { ...headers, host: '127.0.0.1', accept: 'application/json, text/event-stream', 'content-type': 'application/json' } // prettier-ignore
  const head = (more: object) =>
    `POST /mcp HTTP/1.1\r\n${Object.entries({ ...all, ...more }).map(([name, value]) => `${name}: ${String(value)}\r\n`).join('')}` // prettier-ignore
  const token = { authorization: 'Bearer token' }
  switch (slowness) {
    case 'silent':
      return []
    case 'slow header':
      return [head(token), 'x-slow: ']
    case 'slow body':
      return [head({ ...token, 'content-length': 100_000 }), '\r\n', '{']
    case 'slow body, no token':
      return [head({ 'content-length': 100_000 }), '\r\n', '{']
    case 'slow reader':
      return [head({ ...token, 'content-length': text.length }), '\r\n', text]
  }
}
