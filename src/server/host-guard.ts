import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'

/** Which names a listener answers to, and which pages may talk to it. */
export interface HostRules {
  /** Host header values without port, lowercase. */
  readonly hosts: readonly string[]
  /** Whole origins, e.g. `https://console.example.com`. */
  readonly origins: readonly string[]
}

/**
 * Says why a request must be refused, if it must: a Host that is not ours (DNS rebinding), a Host sent twice, or an
 * Origin that is not on the list. A request without Origin comes from no browser and is judged by its token alone.
 */
export function hostProblem(request: IncomingMessage, rules: HostRules): string | undefined {
  const hosts = valuesOf(request, 'host')
  if (hosts.length !== 1) return 'exactly one Host header is needed'
  if (!rules.hosts.includes(nameOf(hosts[0] as string))) return 'this Host is not served here'
  const origins = valuesOf(request, 'origin')
  if (origins.length > 1) return 'at most one Origin header is allowed'
  return origins.every((origin) => rules.origins.includes(origin)) ? undefined : 'this Origin is not allowed here'
}

/** The values of a header as they were sent; Node folds or drops repeats elsewhere. */
export function valuesOf(request: IncomingMessage, name: string): readonly string[] {
  return request.headersDistinct[name] ?? []
}

/** Without its port, where that can be one: what is no address is nobody's name. */
function nameOf(host: string): string {
  const [, name = host, port = '0'] = /^(.*):([0-9]{1,5})$/.exec(host) ?? []
  return (Number(port) <= 65_535 ? name : host).toLowerCase()
}

const loopbackHosts: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/** Where a listener stands, and what else it is called. */
export interface Standing {
  readonly host: string
  /** Names it is served under beside the loopback ones and its own address. */
  readonly hosts?: readonly string[]
  readonly origins?: readonly string[]
}

/** A listener answers to the loopback names, to its own address, and to what it is told; to pages of the same names on this machine, and no others. */
export function hostRules(
  { host, hosts = [], origins = [] }: Standing,
  scheme: 'http' | 'https',
  port: number,
): HostRules {
  const own = anyAddress.includes(host) ? [] : [host]
  return {
    hosts: [...loopbackHosts, ...[...own, ...hosts].map(spelled)],
    origins: [...loopbackHosts.map((name) => `${scheme}://${name}:${port}`), ...origins],
  }
}

/** Listening on every address is no name of its own. */
const anyAddress: readonly string[] = ['0.0.0.0', '::', '[::]']

/** As the Host header has it: lowercase, an IPv6 address in brackets. */
function spelled(host: string): string {
  return (isIPv6(host) ? `[${host}]` : host).toLowerCase()
}
