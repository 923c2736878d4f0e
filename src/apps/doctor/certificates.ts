import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../ports/clock.ts'
import { openTls, tlsFilesOf, tlsSections, type NamedTls } from '../tls-sections.ts'
import { bad, fine, together, told, warn, type Finding } from './finding.ts'

/** What is to be said of one certificate, and where the configuration names it. */
interface Judged {
  readonly name: string
  readonly at: readonly string[]
  readonly finding: Finding
}

/** Every certificate with its key: whether it can be used, and whether it is time for another. */
export async function certificatesFinding(config: Config, clock: Clock): Promise<Finding> {
  const judged = await judgedCertificates(config, clock)
  const names = judged.map(({ name }) => name).join(', ')
  return together(judged.map(({ finding }) => finding), names === '' ? 'there are none' : `${names}: in order`) // prettier-ignore
}

/** The same, each by itself. */
export function judgedCertificates(config: Config, clock: Clock): Promise<readonly Judged[]> {
  const { mode } = config
  const judged = tlsSections(config).map(async ({ at, ...named }) => {
    return { name: named.name, at, finding: await pairFinding(named, { mode, clock }) }
  })
  return Promise.all(judged)
}

async function pairFinding(named: NamedTls, opening: Parameters<typeof openTls>[1]): Promise<Finding> {
  const files = Object.values(tlsFilesOf(named.section)).join(', ')
  try {
    const opened = await openTls(named, opening)
    const due = opened.facts()?.due ?? []
    opened.close()
    return due.length === 0 ? fine('') : warn(`The certificate of ${named.name}: ${due.join(' ')}`, `Renew ${files}.`)
  } catch (error) {
    return bad(told(error), `Renew or mend ${files}.`)
  }
}
