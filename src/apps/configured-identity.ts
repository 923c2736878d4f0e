import { systemClock } from '../adapters/clock-system.ts'
import { nodeFiles } from '../adapters/files.ts'
import { openIssuerKey } from '../adapters/issuer-key-file.ts'
import type { Config } from '../config/schema.ts'
import { isLoopback } from '../config/transport.ts'
import { developmentIssuer } from '../identity/issuer.ts'
import type { ReplayMode } from '../identity/replay.ts'
import type { TrustedIssuer } from '../identity/token.ts'
import { openIssuerKeys } from './issuer-keys.ts'
import { once } from './kept.ts'
import type { Surroundings } from './surroundings.ts'

/** Issuers whose tokens count; in development the one of this gateway, too. Rejects when the keys of one cannot be used. */
export async function issuersOf(
  config: Config,
  { data, report, keep = once }: Surroundings,
): Promise<readonly TrustedIssuer[]> {
  const { issuers, maxTtlSeconds, audience } = config.auth
  const clock = systemClock()
  const fault = (message: unknown) => report({ level: 'error', fault: String(message) })
  const configured = issuers.map(async (section) => ({
    issuer: section.issuer,
    keys: await keep('issuer', [section.issuer, section.jwks, section.algorithms, section.ca], () =>
      openIssuerKeys(section, clock, fault),
    ),
    maxTtlSeconds: section.maxTtlSeconds ?? maxTtlSeconds,
    nbfOptional: section.nbf === 'optional',
  }))
  if (config.mode === 'production') return Promise.all(configured)
  const [key, ...trusted] = await Promise.all([openIssuerKey(nodeFiles(), data), ...configured])
  return [...trusted, developmentIssuer({ key, clock, mode: config.mode, audience, maxTtlSeconds }).trusted]
}

/** On a developer's own machine one token serves several clients, unless the file says what it may be used for. */
export function replayOf({ mode, listen, auth }: Config): ReplayMode {
  return auth.replay ?? (mode === 'development' && isLoopback(listen.host) ? 'lenient' : 'bound')
}

/** Who calls over stdio without a token, in development. */
export function localOf(config: Config) {
  return { tenant: 'local', principal: 'agent:local', scopes: config.auth.stdio.grants }
}
