import type { X509Certificate } from 'node:crypto'

/** What operators want to know of a certificate. */
export interface CertificateFacts {
  readonly subject: string
  readonly issuer: string
  /** SHA-256 of its DER, hex. */
  readonly fingerprint: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Days since it became valid, and until it ends; both may be negative. */
  readonly ageDays: number
  readonly daysLeft: number
  /** Why it cannot be used now, one sentence each. */
  readonly problems: readonly string[]
  /** Why it should be renewed soon, one sentence each. */
  readonly due: readonly string[]
}

export interface CertificateLimits {
  /** Older than this it is due. */
  readonly ageDaysMax: number
  /** With less than this left it is due. */
  readonly daysLeftMin: number
}

export const certificateLimits: CertificateLimits = { ageDaysMax: 90, daysLeftMin: 14 }

const dayMs = 86_400_000

/** Judges one certificate at a time in milliseconds since the epoch: its validity and the strength of its key. Reads nothing. */
export function certificateFacts(
  certificate: X509Certificate,
  nowMs: number,
  limits: CertificateLimits = certificateLimits,
): CertificateFacts {
  const notBeforeMs = Date.parse(certificate.validFrom)
  const notAfterMs = Date.parse(certificate.validTo)
  const ageDays = rounded((nowMs - notBeforeMs) / dayMs)
  const daysLeft = rounded((notAfterMs - nowMs) / dayMs)
  const times = { nowMs, notBeforeMs, notAfterMs, ageDays, daysLeft }
  return {
    subject: nameIn(certificate.subject),
    issuer: nameIn(certificate.issuer),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notBeforeMs,
    notAfterMs,
    ageDays,
    daysLeft,
    problems: [...untimely(times), ...weak(certificate)],
    due: due(times, limits),
  }
}

interface Times {
  readonly nowMs: number
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly ageDays: number
  readonly daysLeft: number
}

function untimely({ nowMs, notBeforeMs, notAfterMs }: Times): readonly string[] {
  // A date that cannot be read compares as false: written so that it is a problem.
  if (!(nowMs >= notBeforeMs)) return [`It is not valid before ${dateOf(notBeforeMs)}.`]
  if (!(nowMs < notAfterMs)) return [`It expired on ${dateOf(notAfterMs)}.`]
  return []
}

function due({ ageDays, daysLeft }: Times, { ageDaysMax, daysLeftMin }: CertificateLimits): readonly string[] {
  return [
    ...(ageDays > ageDaysMax ? [`It is ${Math.floor(ageDays)} days old; renew it every ${ageDaysMax} days.`] : []),
    ...(daysLeft <= 0 ? ['It has expired.'] : []),
    ...(daysLeft > 0 && daysLeft < daysLeftMin ? [`It expires in ${Math.floor(daysLeft)} days.`] : []),
  ]
}

const curves: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1']

/** NIST SP 800-131A: RSA from 2048 bits on, and the curves that TLS 1.3 signs with. */
function weak({ publicKey }: X509Certificate): readonly string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  if (type === 'ed25519') return []
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) return []
  if (type === 'ec' && curves.includes(details?.namedCurve ?? '')) return []
  return ['Its key is too weak or of a kind that is not served; use EC P-256, Ed25519, or RSA of 2048 bits or more.']
}

/** The common name, or everything where there is none; one line, at most 256 characters. */
function nameIn(distinguished: string): string {
  const common = /^CN=(.+)$/m.exec(distinguished)?.[1] ?? distinguished
  return common.replaceAll('\n', ', ').slice(0, 256)
}

const dateOf = (ms: number): string => (Number.isNaN(ms) ? 'a date nobody can read' : new Date(ms).toISOString())

const rounded = (days: number): number => Math.round(days * 100) / 100
