import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A loopback proxy that adds an access token to every request and leaves everything else alone, Host and Origin too.
 * For clients that cannot present one, such as the conformance suite.
 */
export async function authProxy(target: URL, token: () => string): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((incoming, outgoing) => {
    const onward = send(
      {
        host: target.hostname,
        port: target.port,
        path: incoming.url,
        method: incoming.method,
        headers: { ...incoming.headers, authorization: `Bearer ${token()}` },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      },
    )
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}${target.pathname}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
