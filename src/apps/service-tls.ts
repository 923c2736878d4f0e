import { systemClock } from '../adapters/clock-system.ts'
import type { Config } from '../config/schema.ts'
import type { ServiceSection } from '../config/sections.ts'
import type { Keep } from './kept.ts'
import { reportedTls, type ReportedTls } from './reported-tls.ts'
import type { Secrets } from './secrets.ts'
import { openTls, serviceTlsName } from './tls-sections.ts'
import type { Transport } from './transport.ts'

interface WithServiceTls {
  readonly services: { readonly tls: Readonly<Record<string, ReportedTls>> }
}

/** Opens what is shown to services and trusted of them. Rejects when one of them cannot be used. */
export async function tlsOfServices(
  mode: Config['mode'],
  services: Readonly<Record<string, ServiceSection>>,
  keep: Keep,
): Promise<Readonly<Record<string, ReportedTls>>> {
  const opened: Record<string, ReportedTls> = {}
  for (const [service, { tls }] of Object.entries(services)) {
    if (tls) opened[service] = await keep('service tls', [mode, service, tls], () => open(mode, service, tls))
  }
  return opened
}

/** From here on what happens to the certificates in force, of services and of Vault, is told there; saying so again changes nothing. */
export function reportTls(
  { services, secrets }: WithServiceTls & { readonly secrets: Pick<Secrets, 'report'> },
  transport: Transport,
): void {
  for (const one of Object.values(services.tls)) one.report(transport)
  secrets.report(transport)
}

/** Looks at their files no more. */
export function closeServiceTls({ services }: WithServiceTls): void {
  for (const one of Object.values(services.tls)) one.close()
}

function open(mode: Config['mode'], service: string, tls: NonNullable<ServiceSection['tls']>): Promise<ReportedTls> {
  const named = { name: serviceTlsName(service), use: 'client', section: tls } as const
  return reportedTls((told) => openTls(named, { mode, clock: systemClock(), told }))
}
