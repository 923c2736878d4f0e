import { issuerKeysFile } from '../../adapters/issuer-keys-file.ts'
import { ticketsFile } from '../../adapters/tickets-file.ts'
import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../ports/clock.ts'
import { bad, fine, together, told, type Finding } from './finding.ts'

/** The keys of each issuer whose tokens count. */
export async function issuersFinding({ mode, auth }: Config, clock: Clock): Promise<Finding> {
  const findings = auth.issuers.map(async ({ issuer, jwks, algorithms }): Promise<Finding> => {
    try {
      await issuerKeysFile({ file: jwks, algorithms, clock, fault: () => undefined })
      return fine('')
    } catch (error) {
      return bad(`${issuer}: ${told(error)}`, `Save the issuer’s key set to ${jwks}.`)
    }
  })
  const own = mode === 'development' ? ', and the development issuer' : ''
  return together(await Promise.all(findings), `${auth.issuers.length} issuers with usable keys${own}`)
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
