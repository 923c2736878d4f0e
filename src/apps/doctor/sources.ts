import { ticketsFile } from '../../adapters/tickets-file.ts'
import { isKeysUrl } from '../../config/auth-section.ts'
import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../ports/clock.ts'
import { openIssuerKeys } from '../issuer-keys.ts'
import { bad, fine, together, told, type Finding } from './finding.ts'

/** The keys of each issuer whose tokens count. */
export async function issuersFinding({ mode, auth }: Config, clock: Clock): Promise<Finding> {
  const findings = auth.issuers.map(async (section): Promise<Finding> => {
    const { issuer, jwks } = section
    const fix = `Look at ${jwks}: it must hold the issuer’s public keys for ${section.algorithms.join(', ')}.`
    try {
      const keys = await openIssuerKeys(section, clock, () => undefined)
      // Waits for the first fetch, where there is one to wait for.
      const found = await keys.keys('doctor')
      const none = isKeysUrl(jwks) && found.length === 0 ? `${jwks} offers no key that can be used.` : undefined
      const problem = keys.problem?.() ?? none
      await keys.close?.()
      return problem === undefined ? fine('') : bad(`${issuer}: ${problem}`, fix)
    } catch (error) {
      return bad(`${issuer}: ${told(error)}`, fix)
    }
  })
  const own = mode === 'development' ? ', and the development issuer' : ''
  return together(await Promise.all(findings), `${auth.issuers.length} issuers with usable keys${own}`)
}

/** The addresses that keys come from. */
export function issuerUrls({ auth }: Config): readonly { readonly name: string; readonly url: string }[] {
  return auth.issuers.flatMap(({ issuer, jwks }) => (isKeysUrl(jwks) ? [{ name: issuer, url: jwks }] : []))
}

/** Where change tickets are looked up. */
export async function ticketsFinding({ tickets }: Config): Promise<Finding> {
  if (tickets.file === undefined) return fine('none: no ticket counts')
  try {
    await ticketsFile({ file: tickets.file })
    return fine(`${tickets.file} can be read`)
  } catch (error) {
    return bad(told(error), `Mend ${tickets.file}: until then no ticket counts.`)
  }
}
