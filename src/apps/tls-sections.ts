import { tlsFiles, type CertificateEvent, type TlsFiles, type TlsSource } from '../adapters/tls-files.ts'
import { builtIn, type Config } from '../config/schema.ts'
import type { ServiceTlsSection } from '../config/tls-section.ts'
import type { Clock } from '../ports/clock.ts'

/** A TLS section of the configuration, and what it is for. */
export interface NamedTls {
  /** What operators call it, e.g. `listen` or `services.orders`. */
  readonly name: string
  readonly use: 'server' | 'client'
  readonly section: ServiceTlsSection
}

/** What opens a section beside itself. */
export interface TlsOpening {
  readonly mode: Config['mode']
  readonly clock: Clock
  readonly told?: (event: CertificateEvent) => void
  /** How often the files are looked at, milliseconds. */
  readonly everyMs?: number
}

/** Every TLS section of a configuration, with its place in the file. */
export function tlsSections({ listen, admin, services }: Config): readonly (NamedTls & { at: readonly string[] })[] {
  const listeners = Object.entries({ listen: listen.tls, admin: admin.tls }).flatMap(([name, section]) =>
    section ? [{ name, use: 'server' as const, section, at: [name, 'tls'] }] : [],
  )
  const clients = Object.entries(services === builtIn ? {} : services).flatMap(
    ([service, { tls: section }]) =>
    section ? [{ name: serviceTlsName(service), use: 'client' as const, section, at: ['services', service, 'tls'] }] : [], // prettier-ignore
  )
  return [...listeners, ...clients]
}

export const serviceTlsName = (service: string): string => `services.${service}`

/** Opens what a section names, the one way there is: for a listener, a client and whoever only looks. Rejects, with every reason, when it cannot be used now. */
export function openTls({ name, use, section }: NamedTls, opening: TlsOpening): Promise<TlsSource> {
  const { mode, clock, told = () => undefined, everyMs } = opening
  const { minVersion, rotationDays } = section
  return tlsFiles({
    name,
    use,
    files: tlsFilesOf(section),
    minVersion,
    rotationDays,
    strictKey: mode === 'production',
    clock,
    told,
    ...(everyMs !== undefined && { everyMs }),
  })
}

/** The files of a section, and nothing else of it. */
export function tlsFilesOf({ cert, key, ca, issuedBy }: ServiceTlsSection): TlsFiles {
  return {
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(ca !== undefined && { ca }),
    ...(issuedBy !== undefined && { issuedBy }),
  }
}
