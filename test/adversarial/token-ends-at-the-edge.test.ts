import { WebStandardStreamableHTTPServerTransport as Transport } from '@modelcontextprotocol/server'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openTestGateway } from '../support/gateway.ts'
import { initialize, legacyCall, modernCall, rpc, send } from '../support/wire.ts'

/* The protocol layer is somebody else's code. It is handed what it needs to read a request, and no credential. */

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** Every request that is made in this process from now on, as the protocol layer would read it. */
function watchRequests(): Request[] {
  const made: Request[] = []
  class Watched extends Request {
    constructor(...args: ConstructorParameters<typeof Request>) {
      super(...args)
      made.push(this)
    }
  }
  vi.stubGlobal('Request', Watched)
  return made
}

const week = { from: '2025-09-01', to: '2025-09-01' }
const secrets = {
  dpop: 'a-proof-of-possession',
  cookie: 'access_token=a-cookie',
  'proxy-authorization': 'Bearer a-proxy-token',
  'x-access-token': 'another-token',
}

describe('what the protocol layer is handed', () => {
  it('holds no token, proof or cookie, in either era and in no session', async () => {
    await using gateway = await openTestGateway()
    const made = watchRequests()
    const handled = vi.spyOn(Transport.prototype, 'handleRequest')
    const token = gateway.token()
    const { dpop: _with, ...beside } = secrets
    const opened = await rpc(gateway.mcp, token, initialize, beside)
    const session = { ...beside, 'mcp-session-id': String(opened.headers['mcp-session-id']) }
    const called = await rpc(gateway.mcp, token, legacyCall('orders.export', week), session)
    const { body, headers } = modernCall('orders.export', week)
    const modern = await rpc(gateway.mcp, token, body, { ...beside, ...headers })
    const ended = await send(gateway.mcp, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}`, ...session },
    })
    expect([opened, called, modern, ended].map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(made.length).toBeGreaterThanOrEqual(4)
    const names = new Set(made.flatMap(({ headers }) => [...headers.keys()]))
    for (const name of ['authorization', ...Object.keys(secrets)]) expect(names).not.toContain(name)
    const seen = JSON.stringify(made.map(({ url, headers }) => [url, ...headers]))
    for (const secret of [token, ...Object.values(secrets)]) expect(seen).not.toContain(secret)
    expect(handled.mock.calls.map(([, options]) => options?.authInfo?.token)).toEqual(handled.mock.calls.map(() => ''))
    expect(handled.mock.calls.length).toBeGreaterThanOrEqual(3)
  })
})
