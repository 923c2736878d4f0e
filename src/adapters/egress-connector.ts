import { lookup } from 'node:dns/promises'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { buildConnector } from 'undici'
import { addressOf, notPublic } from '../tools/address.ts'
import { isMapped, type Blocked, type EgressLists } from '../tools/egress.ts'

/** All addresses of a name. */
export type Resolve = (name: string) => Promise<readonly string[]>

interface DialTarget {
  /** An address that was judged, never a name. */
  readonly address: string
  readonly port: number
  readonly secure: boolean
  /** Name to ask for and to check the certificate against; empty for an address. */
  readonly servername: string
  readonly signal: AbortSignal
}

/** Opens a socket. It may still be connecting when it is given back. */
export type Dial = (target: DialTarget) => Socket

export interface ConnectorParts {
  readonly lists: EgressLists
  readonly blocked: Blocked
  readonly domain: string
  readonly signal: AbortSignal
  readonly resolve?: Resolve
  readonly dial?: Dial
}

export interface JudgingConnector {
  readonly connect: buildConnector.connector
  /** Address that was dialled; empty before. */
  readonly ip: () => string
  /** True once the connection stood, so that something may have been sent. */
  readonly connected: () => boolean
  /** Why the connector refused, if it did. */
  readonly refusal: () => string | undefined
}

/** The system's own resolver, with its hosts file. */
const systemResolve: Resolve = async (name) => (await lookup(name, { all: true })).map(({ address }) => address)

/**
 * The last gate before a socket: resolves once, judges every answer, and connects to an address that was judged. A check
 * anywhere earlier can be answered one way and connected another (DNS rebinding); undici asks no `lookup` for literals.
 */
export function judgingConnector(parts: ConnectorParts): JudgingConnector {
  let ip = ''
  let connected = false
  let refusal: string | undefined
  const open = async (options: buildConnector.Options): Promise<Socket> => {
    const found = await target(parts, options)
    if (typeof found === 'string') {
      refusal = found
      throw new Error('egress refused')
    }
    ip = found.address
    const socket = await opened((parts.dial ?? dial)(found), found.secure)
    connected = true
    return socket
  }
  return {
    ip: () => ip,
    connected: () => connected,
    refusal: () => refusal,
    connect: (options, callback) => void settle(open(options), callback),
  }
}

async function settle(opening: Promise<Socket>, callback: buildConnector.Callback): Promise<void> {
  const [outcome] = await Promise.allSettled([opening])
  if (outcome.status === 'fulfilled') callback(null, outcome.value)
  else callback(outcome.reason instanceof Error ? outcome.reason : new Error('connect failed'), null)
}

/** Where to connect, or why not. */
async function target(parts: ConnectorParts, options: buildConnector.Options): Promise<DialTarget | string> {
  const { lists, blocked, domain, signal, resolve = systemResolve } = parts
  const secure = options.protocol === 'https:'
  const port = Number(options.port) || (secure ? 443 : 80)
  const how = { secure, servername: addressOf(domain) ? '' : domain, signal }
  if (isMapped(domain, lists)) return { address: '127.0.0.1', port: lists.hosts?.[domain] ?? port, ...how }
  const addresses = addressOf(domain) ? [domain] : await resolve(domain)
  const bad = addresses.map(notPublic).find((reason) => reason !== undefined)
  if (bad !== undefined) return bad
  if (blocked(domain)) return 'blocked by a switch'
  const [address] = addresses
  return address === undefined ? 'the name has no address' : { address, port, ...how }
}

/** A plain or TLS socket to an address. The certificate must be valid for the name that was asked for. */
const dial: Dial = ({ address, port, secure, servername, signal }) => {
  signal.throwIfAborted()
  const tcp = connectTcp({ host: address, port, signal })
  return secure ? connectTls({ socket: tcp, servername, host: address, ALPNProtocols: ['http/1.1'] }) : tcp
}

function opened(socket: Socket, secure: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
