import { placedDocument, type Problem } from '../policy/document.ts'
import { Baseline } from './documents.ts'
import { explain } from './explain.ts'
import type { Config } from './schema.ts'
import { builtIn } from './sections.ts'
import { problemAt, readSource, type At, type Path, type Source } from './source.ts'
import type { TlsSection } from './tls-section.ts'
import { isLoopback } from './transport.ts'

/** What a baseline asks of sections that are read once, and where: at the baseline's line, or at the one that names none. */
export interface Demand {
  readonly of: readonly (keyof Config)[]
  readonly value: unknown
  readonly at: Omit<Problem, 'message'>
}

/** Reads the baseline that a configuration names and applies it: of two demands, the stricter. */
export function readBaseline(config: Config, own: At) {
  const unasked = demandsOf({}, () => own(['baseline'], ''))
  const none = {
    config,
    demands: unasked,
    problems: [] as Problem[],
    warnings: [] as Problem[],
    sources: [] as Source[],
  }
  if (config.baseline === undefined) return none
  const source = readSource(config.baseline)
  if (typeof source === 'string') return { ...none, problems: [own(['baseline'], source)] }
  const document = placedDocument(source.text, source.file)
  if (document.problems.length > 0) return { ...none, problems: [...document.problems] }
  const parsed = Baseline.safeParse(document.data)
  if (!parsed.success) return { ...none, problems: [...explain(parsed.error, source.file, document)] }
  const at = (where: Path, message: string): Problem => problemAt(document, source.file, where, message)
  const strict = config.mode === 'production'
  const unmet = [withoutMtls, manyUses, withoutNbf].flatMap((unmetBy) => unmetBy(config, parsed.data, at))
  return {
    config: withBaseline(config, parsed.data),
    demands: demandsOf(parsed.data, (where) => at(where, '')),
    problems: strict ? unmet : [],
    warnings: [
      ...(strict ? [] : unmet),
      ...servicesWithoutMtls(config, parsed.data, at),
      ...madeStrict(config, parsed.data, at),
      ...notMet(config, parsed.data, at),
    ],
    sources: [source],
  }
}

/** Always the same ones in the same order, so that two versions can be compared. */
function demandsOf({ transport, secrets }: Baseline, placeOf: (where: Path) => Problem): readonly Demand[] {
  const tls = ['listen', 'admin'] as const
  return [
    { of: tls, value: transport?.tls_min_version, at: placeOf(['transport', 'tls_min_version']) },
    { of: tls, value: transport?.cert_rotation_days, at: placeOf(['transport', 'cert_rotation_days']) },
    { of: ['secrets'], value: secrets?.rotation_days, at: placeOf(['secrets', 'rotation_days']) },
  ]
}

/** The stricter of what the file and the baseline say. */
function withBaseline(config: Config, { auth, transport, secrets }: Baseline): Config {
  return {
    ...config,
    listen: { ...config.listen, ...stricterTls(config.listen.tls, transport) },
    admin: { ...config.admin, ...stricterTls(config.admin.tls, transport) },
    services: stricterServices(config.services, transport),
    auth: {
      ...config.auth,
      maxTtlSeconds: Math.min(config.auth.maxTtlSeconds, auth?.max_ttl_seconds ?? Infinity),
      ...(isMadeStrict(config, auth) && { replay: 'strict' as const }),
    },
    secrets: {
      ...config.secrets,
      rotationDays: Math.min(config.secrets.rotationDays, secrets?.rotation_days ?? Infinity),
    },
  }
}

function stricterServices(services: Config['services'], transport: Baseline['transport']): Config['services'] {
  if (services === builtIn) return services
  const stricter = Object.entries(services).map(
    ([name, section]) => [name, { ...section, ...stricterTls(section.tls, transport) }] as const,
  )
  return Object.fromEntries(stricter)
}

function stricterTls<Tls extends Pick<TlsSection, 'minVersion' | 'rotationDays'>>(
  tls: Tls | undefined,
  transport: Baseline['transport'],
): { readonly tls?: Tls } {
  if (!tls) return {}
  const minVersion = transport?.tls_min_version === '1.3' ? '1.3' : tls.minVersion
  const rotationDays = Math.min(tls.rotationDays, transport?.cert_rotation_days ?? Infinity)
  return { tls: { ...tls, minVersion, rotationDays } }
}

/** Mutual TLS that nobody does must not look as if somebody did. Loopback is left to the proxy in front of it. */
function withoutMtls({ listen, admin }: Config, { transport }: Baseline, at: At): Problem[] {
  const lax = Object.entries({ listen, admin }).filter(
    ([, { host, tls }]) => !isLoopback(host) && tls?.clientCert !== 'require',
  )
  if (transport?.mtls !== true || lax.length === 0) return []
  const message = `${lax.map(([section]) => section).join(' and ')} would serve clients without a certificate: add tls.ca there, or bind to loopback behind a proxy that does mutual TLS.`
  return [at(['transport', 'mtls'], message)]
}

/** Towards services a certificate is theirs to ask for: that none would be shown is told, not refused. */
function servicesWithoutMtls({ services }: Config, { transport }: Baseline, at: At): Problem[] {
  if (transport?.mtls !== true || services === builtIn) return []
  const without = Object.entries(services).filter(([, { tls }]) => tls?.cert === undefined)
  if (without.length === 0) return []
  const names = without.map(([service]) => service).join(', ')
  return [
    at(['transport', 'mtls'], `No client certificate is shown to ${names}: add services.<name>.tls with cert and key.`),
  ]
}

/** A window in which no token is shown twice asks for single use. Where nobody wrote otherwise, production has it. */
function isMadeStrict({ mode, auth: own }: Config, auth: Baseline['auth']): boolean {
  return auth?.replay_window_minutes !== undefined && own.replay === undefined && mode === 'production'
}

/** It changes what every client has to do, so nobody should have to find out. */
function madeStrict(config: Config, { auth }: Baseline, at: At): Problem[] {
  if (!isMadeStrict(config, auth)) return []
  const message = 'Tokens are for one request here, as this asks: auth.replay is strict. Write auth.replay: strict in the configuration to say so.' // prettier-ignore
  return [at(['auth', 'replay_window_minutes'], message)]
}

/** Single use that nobody has must not look as if somebody had. A window of any length is kept: a token's name is remembered until it has ended. */
function manyUses(config: Config, { auth }: Baseline, at: At): Problem[] {
  const { replay } = config.auth
  if (auth?.replay_window_minutes === undefined || replay === 'strict' || isMadeStrict(config, auth)) return []
  const now = replay === undefined ? 'Development' : `auth.replay: ${replay}`
  const message = `${now} lets one sender show a token again; this asks for single use: write auth.replay: strict.`
  return [at(['auth', 'replay_window_minutes'], message)]
}

/** A claim that an issuer may leave out is not one that every token has. */
function withoutNbf({ auth: own }: Config, { auth }: Baseline, at: At): Problem[] {
  const lax = own.issuers.filter(({ nbf }) => nbf === 'optional').map(({ issuer }) => issuer)
  if (lax.length === 0 || auth?.claims?.includes('nbf') !== true) return []
  const message = `Tokens of ${lax.join(', ')} may come without nbf, and this asks for it: have it written there and take \`nbf: optional\` out, or take nbf out here.`
  return [at(['auth', 'claims'], message)]
}

/** Where secrets come from is for the operator to arrange: told, so that nobody takes it for done. */
function notMet({ secrets: { provider } }: Config, { secrets }: Baseline, at: At): Problem[] {
  const elsewhere = provider === 'file' || secrets?.provider === 'KMS'
  if (secrets?.provider === undefined || !elsewhere) return []
  const message =
    'Secrets come from another place here: set secrets.provider to vault, or let an agent of the provider write the files.'
  return [at(['secrets', 'provider'], message)]
}
