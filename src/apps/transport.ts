import { ownAlert, type Tell } from './alerting.ts'
import type { CertificateEvent, TlsSource } from '../adapters/tls-files.ts'
import type { CertificateFacts } from '../adapters/tls-certificate.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Clock } from '../ports/clock.ts'
import type { Meters } from '../telemetry/metrics.ts'

/** Where listeners and clients of services report what becomes of their certificates and connections. */
export interface Transport {
  /** Writes down what happened to a certificate, counts it, and tells operators of what they should act on. */
  certificate(event: CertificateEvent): void
  /** Shows a certificate's age and end at every scrape, until it is closed. */
  watch(source: TlsSource): void
  forget(source: TlsSource): void
  /** A connection was closed because its client took too long or too much. */
  cut(reason: string): void
}

export interface TransportParts {
  readonly log: EvidenceLog
  readonly meters: Meters
  readonly clock: Clock
  readonly tell: Tell
  readonly report: (line: JsonObject) => void
  readonly fault: (error: unknown) => void
}

const types = { loaded: 'certificate.load', refused: 'certificate.refused', due: 'certificate.due' } as const

/** One such place per gateway. */
export function transport(parts: TransportParts): Transport {
  const { meters, report, fault } = parts
  const sources = new Set<TlsSource>()
  meters.watchCertificates(() => [...sources].flatMap((source) => gaugeOf(source) ?? []))
  return {
    certificate(event) {
      const { kind, name } = event
      meters.certificate(name, kind)
      if (kind !== 'loaded')
        report({ level: kind === 'refused' ? 'error' : 'warn', certificate: name, why: sentenceOf(event) })
      recorded(parts, event).catch(fault)
    },
    watch: (source) => void sources.add(source),
    forget: (source) => void sources.delete(source),
    cut: (reason) => meters.cut(reason),
  }
}

/** Evidence; and where a certificate was refused, an alert, even when it could not be written down. */
async function recorded({ log, clock, tell, fault }: TransportParts, event: CertificateEvent): Promise<void> {
  const { kind, name, why, facts } = event
  const ext = { certificate: name, ...(why.length > 0 && { why: why.join(' ') }), ...(facts && extOf(facts)) }
  const receipt = await log.append({ type: types[kind], ext }).catch((error: unknown): undefined => {
    fault(error)
  })
  if (kind !== 'refused') return
  const alert = ownAlert({
    rule: 'certificate_refused',
    title: 'A new certificate was refused',
    severity: 'high',
    summary: `The new certificate of ${name} was refused; the old one is in use`,
    why: why.join(' ').slice(0, 400),
    runbook: 'docs/runbooks/certificate-refused.md',
    entity: name,
    ...(receipt && { receipt }),
    atMs: clock.nowMs(),
  })
  await tell(alert)
}

/** A refused pair changes nothing: the one in use goes on, and operators must hear that it does. */
function sentenceOf({ kind, why }: CertificateEvent): string {
  const said = why.join(' ')
  return kind === 'refused' ? `The new certificate was refused, the one in use stays. ${said}` : said
}

function gaugeOf(source: TlsSource) {
  const facts = source.facts()
  return facts && { name: source.name, ageS: facts.ageDays * 86_400, expiryS: facts.daysLeft * 86_400 }
}

function extOf({ subject, issuer, fingerprint, notBeforeMs, notAfterMs }: CertificateFacts): JsonObject {
  return { subject, issuer, fingerprint, notBeforeMs, notAfterMs }
}
