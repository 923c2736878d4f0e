import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuthInfo, ServerContext } from '@modelcontextprotocol/server'
import type { Exchange } from './mcp.ts'

/** The exchange a request was passed on with. */
export const exchangeIn = ({ http }: ServerContext): Exchange => http?.authInfo?.extra?.['exchange'] as Exchange

/** The protocol layer needs no token, so it gets none. */
export function authInfoOf(exchange: Exchange): AuthInfo {
  return { token: '', clientId: exchange.who.actor.id, scopes: [...exchange.who.rights], extra: { exchange } }
}

/**
 * The request as the protocol layer reads it: its method, the headers that say how to read and answer it, and a signal
 * that fires when the client goes away. Whatever else was sent, a credential above all, ends here.
 */
export function protocolRequest(request: IncomingMessage, response: ServerResponse, address: string): Request {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const headers = new Headers()
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (!passed.test(name)) continue
    for (const value of values ?? []) headers.append(name, value)
  }
  return new Request(address, { method: request.method ?? 'GET', headers, signal: gone.signal })
}

const passed = /^(accept|content-type|last-event-id|mcp-[a-z0-9-]+)$/
