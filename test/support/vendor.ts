import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Somebody else's server, on loopback: counts what reaches it and answers as the test says. */
export interface Vendor {
  readonly port: number
  /** Bytes of all request bodies so far. */
  received(): number
  answer: (request: IncomingMessage, response: ServerResponse) => void
  close(): void
}

export async function openVendor(): Promise<Vendor> {
  let bytes = 0
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () => vendor.answer(request, response))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const vendor: Vendor = {
    port: (server.address() as AddressInfo).port,
    received: () => bytes,
    answer: (_request, response) => void response.end('received'),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return vendor
}
