import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface AuthProxy {
  /** `http://localhost:port`. */
  readonly origin: string
  close(): void
}

export interface AuthProxyOptions {
  /** Asked for each request: the proxy may be open before what it leads to. */
  readonly target: () => URL
  readonly token: () => string
}

/**
 * A loopback proxy that adds an access token to every request and leaves everything else alone, Host and Origin too.
 * For clients that cannot present one, such as the conformance suite.
 */
export async function authProxy({ target, token }: AuthProxyOptions): Promise<AuthProxy> {
  const server = createServer((incoming, outgoing) => {
    const { hostname, port } = target()
    const headers = { ...incoming.headers, authorization: `Bearer ${token()}` }
    const onward = send({ host: hostname, port, path: incoming.url, method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
