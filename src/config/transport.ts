import type { Problem } from '../policy/document.ts'
import type { Config } from './schema.ts'
import { builtIn } from './sections.ts'
import type { At } from './source.ts'

/** What production refuses of the listeners, and what says two different things about client certificates. */
export function transportProblems(config: Config, at: At): readonly Problem[] {
  return [...(config.mode === 'production' ? inClear(config, at) : []), ...mutual(config, at), ...pointless(config, at)]
}

/** What is told and not refused: listeners in clear in development, services in clear in production. */
export function transportWarnings(config: Config, at: At): readonly Problem[] {
  return config.mode === 'production' ? servicesInClear(config, at) : inClear(config, at)
}

export const isLoopback = (host: string): boolean => /^(127\.\d+\.\d+\.\d+|localhost|::1|\[::1\])$/.test(host)

function inClear({ listen, admin }: Config, at: At): readonly Problem[] {
  const listeners = [
    { section: 'listen', ...listen, what: 'Agents’ tokens' },
    { section: 'admin', ...admin, what: 'The admin token' },
  ]
  return listeners
    .filter(({ host, tls }) => !isLoopback(host) && tls === undefined)
    .map(({ section, host, what }) => {
      const remedy = `give it a certificate (${section}.tls: { cert, key }), or bind to loopback behind a TLS proxy.`
      return at([section, 'host'], `${what} would travel in clear to ${host}; ${remedy}`)
    })
}

/** A certificate that nobody would ever see. */
function pointless({ services }: Config, at: At): readonly Problem[] {
  return regionsOf(services)
    .filter(({ tls, url }) => tls && url.protocol !== 'https:')
    .map(({ service, region }) =>
      at(
        ['services', service, 'regions', region],
        `services.${service}.tls needs https:// addresses; this one is http://.`,
      ),
    )
}

function servicesInClear({ services }: Config, at: At): readonly Problem[] {
  return regionsOf(services)
    .filter(({ url }) => url.protocol === 'http:' && !isLoopback(url.hostname))
    .map(({ service, region, url }) => {
      const message = `The gateway’s credential and the data travel in clear to ${url.hostname}; use https://.`
      return at(['services', service, 'regions', region], message)
    })
}

function regionsOf(services: Config['services']) {
  if (services === builtIn) return []
  return Object.entries(services).flatMap(([service, { regions, tls }]) =>
    Object.entries(regions).map(([region, text]) => ({ service, region, url: new URL(text), tls })),
  )
}

function mutual({ auth, listen: { tls } }: Config, at: At): readonly Problem[] {
  if (!auth.mtls || tls?.clientCert === 'require') return []
  const message =
    tls === undefined
      ? 'Client certificates need TLS: add listen.tls with cert, key and ca.'
      : tls.ca === undefined
        ? 'Client certificates need the authorities they come from: add listen.tls.ca.'
        : `listen.tls.clientCert is ${tls.clientCert}, which serves agents without a certificate; leave it out, or say require.`
  return [at(['auth', 'mtls'], message)]
}
