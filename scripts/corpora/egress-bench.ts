import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { request } from 'undici'
import { undiciEgress } from '../../src/adapters/egress-undici.ts'
import type { Resolve } from '../../src/adapters/egress-connector.ts'
import { ToolRefusal, UpstreamError, type ToolContext } from '../../src/ports/tool.ts'
import { domainOf } from '../../src/tools/egress.ts'
import { webFetchSafe } from '../../src/tools/web-fetch-safe.ts'
import { connectRecorder, stubResolver, type ConnectRecorder } from '../../test/support/connect-recorder.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A loopback stub that every socket of this process is led to, and the list of where they wanted to go. */
export interface EgressBench extends Disposable {
  readonly recorder: ConnectRecorder
  /** What the stub answers. */
  handler: Handler
  /** Fetches so far. */
  fetches: number
}

export async function openEgressBench(): Promise<EgressBench> {
  const server = createServer((asked, response) => bench.handler(asked, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const recorder = connectRecorder((server.address() as AddressInfo).port)
  const bench: EgressBench = {
    recorder,
    handler: fine,
    fetches: 0,
    [Symbol.dispose]: () => close(recorder, server),
  }
  return bench
}

function close(recorder: ConnectRecorder, server: Server): void {
  recorder[Symbol.dispose]()
  server.closeAllConnections()
  server.close()
}

export const fine: Handler = (_request, response) => void response.end('fine')

/** Where sockets were opened to while the tool fetched a URL. Every domain in play is listed. */
export async function fetched(
  bench: EgressBench,
  url: string,
  resolve: Resolve,
  more: readonly string[] = [],
): Promise<readonly string[]> {
  bench.fetches += 1
  const named = URL.parse(url)
  const allow = [...(named ? [domainOf(named)] : []), ...more]
  const egress = undiciEgress({ lists: { allow }, resolve })
  const fetch = egress({ signal: new AbortController().signal, blocked: () => false })
  const opened = await bench.recorder.during(() => invoke(url, { fetch } as unknown as ToolContext))
  return opened.map(({ host }) => host)
}

/** A resolver that knows these names. */
export const knowing = (names: Readonly<Record<string, readonly string[]>>): Resolve => stubResolver(names).resolve

/** Validated first, as the gateway does. */
async function invoke(url: string, context: ToolContext): Promise<void> {
  const validated = webFetchSafe.validate({ url })
  if (!validated.ok) return
  try {
    await webFetchSafe.invoke(validated.args, context)
  } catch (error) {
    if (!(error instanceof ToolRefusal || error instanceof UpstreamError)) throw error
  }
}

/** Ways to open a socket, none of them guarded by anything. */
const ways: Readonly<Record<string, (host: string) => Promise<unknown>>> = {
  net: (host) => ended(connect({ host, port: 80 })),
  tls: (host) => ended(connectTls({ host, port: 443 })),
  undici: (host) => request(`http://${host}/`).then(({ body }) => body.dump()),
  fetch: (host) => globalThis.fetch(`http://${host}/`).then((response) => response.text()),
}

let tried = 0

/** Opens a socket to a private address in each way, past every defence. Gives the ways that the recorder did not hear. */
export async function unheardWays(bench: EgressBench): Promise<readonly string[]> {
  const unheard: string[] = []
  bench.handler = fine
  for (const [name, open] of Object.entries(ways)) {
    // An address of its own each time: a connection that is kept to another cannot serve it.
    const host = `10.9.${(tried >> 8) & 255}.${tried++ & 255}`
    const opened = await bench.recorder.during(() => open(host))
    if (opened.length !== 1 || opened[0]?.host !== host) unheard.push(`a socket by way of ${name}`)
  }
  return unheard
}

async function ended(socket: ReturnType<typeof connect>): Promise<void> {
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined)
  socket.on('error', () => undefined).destroy()
}
