import type { IncomingMessage } from 'node:http'

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

function nameOf(host: string): string {
  return host.replace(/:[0-9]+$/, '').toLowerCase()
}

/** A loopback listener answers to the loopback names only. */
export const loopbackHosts: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/** Origins of pages served from this machine at one port. */
export function loopbackOrigins(port: number, scheme: 'http' | 'https' = 'http'): readonly string[] {
  return loopbackHosts.map((host) => `${scheme}://${host}:${port}`)
}
