import type { Server } from 'node:http'
import { isIPv6, type Socket } from 'node:net'
import type { Cut, Dials } from './dials.ts'

/** Closes at once what one address opens beyond its share, so that it cannot take the places of all. */
export function sharePlaces(server: Server, { connectionsPerAddressMax }: Dials, cut: Cut): void {
  const taken = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const key = addressKey(socket.remoteAddress ?? '')
    const count = (taken.get(key) ?? 0) + 1
    if (count > connectionsPerAddressMax) {
      cut('connections_per_address')
      return void socket.destroy()
    }
    taken.set(key, count)
    socket.once('close', () => {
      const left = (taken.get(key) ?? 1) - 1
      if (left === 0) taken.delete(key)
      else taken.set(key, left)
    })
  })
  server.on('drop', () => cut('connections'))
}

/** A household has a /64 of IPv6 addresses, and may use each for one connection. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups =
    tail === undefined ? front : [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back]
  return `${groups.slice(0, 4).join(':')}::/64`
}
