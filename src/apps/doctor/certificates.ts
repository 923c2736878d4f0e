import { tlsFiles } from '../../adapters/tls-files.ts'
import type { Config } from '../../config/schema.ts'
import type { TlsSection } from '../../config/tls-section.ts'
import type { Clock } from '../../ports/clock.ts'
import { bad, fine, together, told, warn, type Finding } from './finding.ts'

/** Every certificate with its key: whether it can be used, and whether it is time for another. */
export async function certificatesFinding({ mode, listen, admin }: Config, clock: Clock): Promise<Finding> {
  const pairs = Object.entries({ listen: listen.tls, admin: admin.tls })
  const used = pairs.flatMap(([name, tls]) => (tls ? [{ name, tls }] : []))
  const findings = await Promise.all(used.map(({ name, tls }) => pairFinding(name, tls, mode === 'production', clock)))
  return together(
    findings,
    used.length === 0 ? 'there are none' : `${used.map(({ name }) => name).join(', ')}: in order`,
  )
}

async function pairFinding(
  name: string,
  { cert, key, ca, issuedBy, minVersion, rotationDays }: TlsSection,
  strictKey: boolean,
  clock: Clock,
): Promise<Finding> {
  try {
    const source = await tlsFiles({
      name,
      files: { cert, key, ...(ca !== undefined && { ca }), ...(issuedBy !== undefined && { issuedBy }) },
      use: 'server',
      minVersion,
      rotationDays,
      strictKey,
      clock,
      told: () => undefined,
    })
    const due = source.facts()?.due ?? []
    source.close()
    return due.length === 0 ? fine('') : warn(`The certificate of ${name}: ${due.join(' ')}`, `Renew ${cert}.`)
  } catch (error) {
    return bad(told(error), `Renew or mend ${cert}.`)
  }
}
