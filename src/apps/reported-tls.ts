import type { CertificateEvent, TlsSource } from '../adapters/tls-files.ts'
import type { Transport } from './transport.ts'

/** Files of TLS, with what happened to them before there was anywhere to tell it. */
export interface ReportedTls extends TlsSource {
  /** From here on what happens to them is told there; saying so again changes nothing. */
  report(transport: Transport): void
}

/** What `open` gives: for what is shown and trusted before the gateway, and its evidence, are there. Rejects as `open` does. */
export async function reportedTls(
  open: (told: (event: CertificateEvent) => void) => Promise<TlsSource>,
): Promise<ReportedTls> {
  const { told, to } = relay()
  const source = await open(told)
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
