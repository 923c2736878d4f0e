import { ticketsFile } from '../../adapters/tickets-file.ts'
import { ticketsHttp } from '../../adapters/tickets-http.ts'
import { isKeysUrl } from '../../config/auth-section.ts'
import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Secret } from '../../ports/secret.ts'
import { openIssuerKeys } from '../issuer-keys.ts'
import { bad, fine, together, told, warn, type Finding } from './finding.ts'

/** The keys of each issuer whose tokens count. */
export async function issuersFinding({ mode, auth }: Config, clock: Clock): Promise<Finding> {
  const findings = auth.issuers.map(async (section): Promise<Finding> => {
    const { issuer, jwks } = section
    const fix = `See whether this machine can read ${jwks}, and the issuer’s public keys for ${section.algorithms.join(', ')} are there.`
    try {
      const keys = await openIssuerKeys(section, clock, () => undefined)
      // Waits for the first fetch, where there is one to wait for.
      await keys.keys('doctor')
      const trouble = keys.trouble?.()
      await keys.close?.()
      return trouble === undefined ? fine('') : bad(`${issuer}: ${trouble.why}`, fix)
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

/** Where change tickets are looked up: a file, or a register that is asked for those of nobody. */
export async function ticketsFinding(config: Config, asking: Asking): Promise<Finding> {
  const { file, url, token } = config.tickets
  try {
    if (file !== undefined) await ticketsFile({ file })
    if (url !== undefined && token) return await registerFinding(config, url, asking)
    return fine(file === undefined ? 'none: no ticket counts' : `${file} can be read`)
  } catch (error) {
    return bad(told(error), `Mend ${file}: until then no ticket counts.`)
  }
}

interface Asking {
  readonly clock: Clock
  /** The secrets of the configuration that could be opened. Opened once for every look: opening them may spend a use of a login. */
  readonly secrets: () => Promise<readonly Secret[]>
}

async function registerFinding(config: Config, url: string, { clock, secrets }: Asking): Promise<Finding> {
  const token = (await secrets()).find(({ name }) => name === 'tickets.token')
  if (!token) return warn('The ticket register cannot be asked without its token.', 'See to the secret first.')
  const register = ticketsHttp({ url, token, clock })
  const [tenant = 'doctor'] = Object.keys(config.auth.tenants)
  await register.approvedFor({ tenant, subject: 'doctor' }, clock.nowMs())
  const problem = register.problem()
  return problem === undefined ? fine(`${url} answers`) : bad(problem, `Look at ${url}, and at tickets.token.`)
}
