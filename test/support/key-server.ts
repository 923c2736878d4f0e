import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Pair } from './certificates.ts'
import type { Mint } from './tokens.ts'

/** A real server that gives an issuer's keys, or whatever a test makes it answer. */
export interface KeyServer extends AsyncDisposable {
  readonly url: string
  /** Requests that arrived, oldest first. */
  readonly seen: readonly { readonly path: string; readonly headers: IncomingMessage['headers'] }[]
  /** What it answers from now on. */
  answer: RequestListener
}

export const jwksOf = (...mints: readonly Mint[]): { readonly keys: readonly object[] } => ({
  keys: mints.map(({ publicKey, kid, alg }) => ({ ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' })),
})

/** Answers 200 with this JSON, and these headers beside it. */
export const giving =
  (value: unknown, headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/jwk-set+json', ...headers })
    response.end(typeof value === 'string' ? value : JSON.stringify(value))
  }

export async function keyServer(answer: RequestListener, tls?: Pair): Promise<KeyServer> {
  const seen: { path: string; headers: IncomingMessage['headers'] }[] = []
  const listener: RequestListener = (request, response) => {
    seen.push({ path: request.url ?? '', headers: request.headers })
    made.answer(request, response)
  }
  const server: Server = tls ? createTlsServer(tls, listener) : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const made: KeyServer = {
    url: `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${port}/realms/acme/certs`,
    seen,
    answer,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
  return made
}
