import { tlsFiles, type TlsSource } from '../../adapters/tls-files.ts'
import { builtIn, type Config } from '../../config/schema.ts'
import type { TlsSection } from '../../config/tls-section.ts'
import type { Clock } from '../../ports/clock.ts'
import { bad, fine, together, told, warn, type Finding } from './finding.ts'
import { openTls } from './reach.ts'

/** Every certificate with its key: whether it can be used, and whether it is time for another. */
export async function certificatesFinding(config: Config, clock: Clock): Promise<Finding> {
  const { mode, listen, admin, services } = config
  const listeners = Object.entries({ listen: listen.tls, admin: admin.tls }).flatMap(([name, tls]) =>
    tls ? [{ name, cert: tls.cert, source: () => openListener(mode, name, tls, clock) }] : [],
  )
  const clients = Object.entries(services === builtIn ? {} : services).flatMap(([service, { tls }]) => {
    const name = `services.${service}`
    return tls ? [{ name, cert: tls.cert ?? `${name}.tls`, source: () => openTls(mode, name, tls, clock) }] : []
  })
  const pairs = [...listeners, ...clients]
  const findings = await Promise.all(pairs.map(pairFinding))
  return together(findings, pairs.length === 0 ? 'there are none' : `${pairs.map(({ name }) => name).join(', ')}: in order`) // prettier-ignore
}

interface Pair {
  readonly name: string
  readonly cert: string
  readonly source: () => Promise<TlsSource>
}

async function pairFinding({ name, cert, source }: Pair): Promise<Finding> {
  try {
    const opened = await source()
    const due = opened.facts()?.due ?? []
    opened.close()
    return due.length === 0 ? fine('') : warn(`The certificate of ${name}: ${due.join(' ')}`, `Renew ${cert}.`)
  } catch (error) {
    return bad(told(error), `Renew or mend ${cert}.`)
  }
}

/** A certificate as the gateway would open it at a listener. Rejects when it would be refused. */
function openListener(mode: Config['mode'], name: string, tls: TlsSection, clock: Clock): Promise<TlsSource> {
  const { minVersion, rotationDays, cert, key, ca, issuedBy } = tls
  const files = { cert, key, ...(ca !== undefined && { ca }), ...(issuedBy !== undefined && { issuedBy }) }
  const told = () => undefined
  return tlsFiles({
    name,
    files,
    minVersion,
    rotationDays,
    told,
    use: 'server',
    strictKey: mode === 'production',
    clock,
  })
}
