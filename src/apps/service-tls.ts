import { systemClock } from '../adapters/clock-system.ts'
import type { CertificateEvent, TlsSource } from '../adapters/tls-files.ts'
import type { Config } from '../config/schema.ts'
import type { ServiceSection } from '../config/sections.ts'
import type { Keep } from './kept.ts'
import { openTls, serviceTlsName } from './tls-sections.ts'
import type { Transport } from './transport.ts'

/** TLS of a service, with what happened to its certificate before anybody listened. */
export interface ServiceTls extends TlsSource {
  report(transport: Transport): void
}

interface WithServiceTls {
  readonly services: { readonly tls: Readonly<Record<string, ServiceTls>> }
}

/** Opens what is shown to services and trusted of them. Rejects when one of them cannot be used. */
export async function tlsOfServices(
  mode: Config['mode'],
  services: Readonly<Record<string, ServiceSection>>,
  keep: Keep,
): Promise<Readonly<Record<string, ServiceTls>>> {
  const opened: Record<string, ServiceTls> = {}
  for (const [service, { tls }] of Object.entries(services)) {
    if (tls) opened[service] = await keep('service tls', [mode, service, tls], () => open(mode, service, tls))
  }
  return opened
}

/** From here on what happens to the certificates in force is told there; saying so again changes nothing. */
export function reportServiceTls({ services }: WithServiceTls, transport: Transport): void {
  for (const one of Object.values(services.tls)) one.report(transport)
}

/** Looks at their files no more. */
export function closeServiceTls({ services }: WithServiceTls): void {
  for (const one of Object.values(services.tls)) one.close()
}

async function open(
  mode: Config['mode'],
  service: string,
  tls: NonNullable<ServiceSection['tls']>,
): Promise<ServiceTls> {
  const { told, to } = relay()
  const named = { name: serviceTlsName(service), use: 'client', section: tls } as const
  const source = await openTls(named, { mode, clock: systemClock(), told })
  let watched: Transport | undefined
  source.onClose(() => watched?.forget(source))
  return {
    ...source,
    report(transport) {
      if (watched) return
      watched = transport
      transport.watch(source)
      to(transport.certificate)
    },
  }
}

/** Before there is a log certificates are loaded and found due: both are told once there is one. */
function relay() {
  const early: CertificateEvent[] = []
  let listener: ((event: CertificateEvent) => void) | undefined
  return {
    told(event: CertificateEvent): void {
      if (listener) listener(event)
      else if (early.length < earlyMax) early.push(event)
    },
    to(listening: (event: CertificateEvent) => void): void {
      listener = listening
      for (const event of early.splice(0)) listening(event)
    },
  }
}

const earlyMax = 16
