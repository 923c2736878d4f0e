import { developmentIssuerName } from '../identity/issuer.ts'
import type { Problem } from '../policy/document.ts'
import { egressProblems, spelled } from '../tools/egress-lists.ts'
import { builtIn, type Config } from './schema.ts'
import { vaultProblems } from './secrets-section.ts'
import type { At } from './source.ts'
import { isLoopback, transportProblems, transportWarnings } from './transport.ts'

/** What each field allows by itself and several together do not. */
export function contradictions(
  config: Config,
  at: At,
): { readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] } {
  return {
    problems: [
      ...egress(config, at),
      ...tickets(config, at),
      ...transportProblems(config, at),
      ...vaultProblems(config, at),
      ...(config.mode === 'production' ? production(config, at) : []),
      ...regions(config, at),
      ...guards(config, at),
    ],
    warnings: [...transportWarnings(config, at), ...unserved(config, at)],
  }
}

function egress({ mode, egress: section }: Config, at: At): readonly Problem[] {
  const listed = egressProblems({ mode, ...section }).map((sentence) => {
    const [where = '', ...rest] = sentence.split(': ')
    return at(where.split('.').slice(0, 3), rest.join(': '))
  })
  const allowed = section.allow.map(spelled)
  const strayBulk = section.bulk.flatMap((domain, index) =>
    allowed.includes(spelled(domain))
      ? []
      : [at(['egress', 'bulk', index], `'${domain}' is not in egress.allow; bulk is a part of it.`)],
  )
  return [...listed, ...strayBulk]
}

/** One register, and over HTTP never without a credential nor in clear beyond this machine. */
function tickets({ mode, tickets: { file, url, token } }: Config, at: At): readonly Problem[] {
  if (url === undefined) return token === undefined ? [] : [at(['tickets', 'token'], 'tickets.token belongs to tickets.url, which is not there.')] // prettier-ignore
  const { protocol, hostname } = new URL(url)
  return [
    ...(file === undefined
      ? []
      : [at(['tickets', 'file'], 'There is one ticket register: keep tickets.file or tickets.url.')]),
    ...(token === undefined
      ? [at(['tickets', 'url'], 'The register needs the gateway’s own credential: add tickets.token.')]
      : []),
    ...(mode === 'production' && protocol === 'http:' && !isLoopback(hostname)
      ? [at(['tickets', 'url'], `The credential would travel in clear to ${hostname}; use https.`)]
      : []),
  ]
}

/** Production has no identities of its own making. */
function production({ auth, services }: Config, at: At): readonly Problem[] {
  return [
    ...(services === builtIn
      ? [at(['services'], 'The bundled service API is made-up data for development; name your own services.')]
      : []),
    ...(auth.issuers.length === 0
      ? [
          at(
            ['auth', 'issuers'],
            'Production needs at least one issuer in auth.issuers: nobody could call. (mode: development brings its own.)',
          ),
        ]
      : []),
    ...auth.issuers.flatMap(({ issuer }, index) =>
      issuer === developmentIssuerName
        ? [
            at(
              ['auth', 'issuers', index, 'issuer'],
              'The development issuer vouches for nobody in production; name a real one.',
            ),
          ]
        : [],
    ),
    ...(auth.stdio.grants.length > 0
      ? [at(['auth', 'stdio'], 'auth.stdio gives rights without a token, which only development does; remove it.')]
      : []),
  ]
}

function regions({ auth }: Config, at: At): readonly Problem[] {
  return Object.entries(auth.tenants).flatMap(([tenant, { home }]) =>
    Object.hasOwn(auth.regions, home)
      ? []
      : [
          at(
            ['auth', 'tenants', tenant, 'home'],
            `'${home}' is no region of auth.regions (${Object.keys(auth.regions).join(', ')}).`,
          ),
        ],
  )
}

/** Only flags have a percentage to watch. */
function guards({ tools }: Config, at: At): readonly Problem[] {
  return Object.entries(tools).flatMap(([tool, { guard }]) =>
    guard === undefined || tool === 'flag.set'
      ? []
      : [at(['tools', tool, 'guard'], 'Only flag.set has rollouts to guard; remove it.')],
  )
}

function unserved({ services, auth }: Config, at: At): readonly Problem[] {
  if (services === builtIn) return []
  return Object.entries(services).flatMap(([service, section]) =>
    Object.entries(auth.regions).flatMap(([region, backend]) =>
      Object.hasOwn(section.regions, backend)
        ? []
        : [
            at(
              ['services', service, 'regions'],
              `There is no ${backend} here, so calls for ${region} data are refused.`,
            ),
          ],
    ),
  )
}
