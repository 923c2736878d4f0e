import type { CertificateEvent, TlsSource } from '../adapters/tls-files.ts'
import type { CertificateFacts } from '../adapters/tls-certificate.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'
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
  readonly report: (line: JsonObject) => void
  readonly fault: (error: unknown) => void
}

const types = { loaded: 'certificate.load', refused: 'certificate.refused', due: 'certificate.due' } as const

/** One such place per gateway. */
export function transport({ log, meters, report, fault }: TransportParts): Transport {
  const sources = new Set<TlsSource>()
  meters.watchCertificates(() => [...sources].flatMap((source) => gaugeOf(source) ?? []))
  return {
    certificate(event) {
      const { kind, name, why, facts } = event
      meters.certificate(name, kind)
      if (kind !== 'loaded')
        report({ level: kind === 'refused' ? 'error' : 'warn', certificate: name, why: sentenceOf(event) })
      const ext = { certificate: name, ...(why.length > 0 && { why: why.join(' ') }), ...(facts && extOf(facts)) }
      log.append({ type: types[kind], ext }).catch(fault)
    },
    watch: (source) => void sources.add(source),
    forget: (source) => void sources.delete(source),
    cut: (reason) => meters.cut(reason),
  }
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
