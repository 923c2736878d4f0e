import { placedDocument, type Problem } from '../policy/document.ts'
import { Baseline } from './documents.ts'
import { explain } from './explain.ts'
import type { Config } from './schema.ts'
import { problemAt, readSource, type At, type Path, type Source } from './source.ts'

/** Reads the baseline that a configuration names and applies it: of two demands, the stricter. */
export function readBaseline(config: Config, own: At) {
  const none = { config, problems: [] as Problem[], warnings: [] as Problem[], sources: [] as Source[] }
  if (config.baseline === undefined) return none
  const source = readSource(config.baseline)
  if (typeof source === 'string') return { ...none, problems: [own(['baseline'], source)] }
  const document = placedDocument(source.text, source.file)
  if (document.problems.length > 0) return { ...none, problems: [...document.problems] }
  const parsed = Baseline.safeParse(document.data)
  if (!parsed.success) return { ...none, problems: [...explain(parsed.error, source.file, document)] }
  const at = (where: Path, message: string): Problem => problemAt(document, source.file, where, message)
  const strict = config.mode === 'production'
  const unmet = withoutMtls(config, parsed.data, at)
  return {
    config: withBaseline(config, parsed.data),
    problems: strict ? unmet : [],
    warnings: [...(strict ? [] : unmet), ...notMet(parsed.data, at)],
    sources: [source],
  }
}

/** The stricter of what the file and the baseline say. */
function withBaseline(config: Config, { auth }: Baseline): Config {
  return {
    ...config,
    auth: {
      ...config.auth,
      maxTtlSeconds: Math.min(config.auth.maxTtlSeconds, auth?.max_ttl_seconds ?? Infinity),
    },
  }
}

/** Mutual TLS that nobody does must not look as if somebody did. */
function withoutMtls({ listen, admin }: Config, { transport }: Baseline, at: At): Problem[] {
  if (transport?.mtls !== true || (isLoopback(listen.host) && isLoopback(admin.host))) return []
  const message =
    'Listeners speak plain HTTP in this version; bind them to loopback, behind a proxy that does mutual TLS.'
  return [at(['transport', 'mtls'], message)]
}

/** What the baseline asks for and this version does not do yet: told, so that nobody takes it for done. */
function notMet({ auth, secrets }: Baseline, at: At): Problem[] {
  const replay = 'Single use of tokens is not in this version: one may be shown again until it expires.'
  const provider = 'Secrets are read from files in this version; let an agent of the provider write them.'
  return [
    ...(auth?.replay_window_minutes === undefined ? [] : [at(['auth', 'replay_window_minutes'], replay)]),
    ...(secrets?.provider === undefined ? [] : [at(['secrets', 'provider'], provider)]),
  ]
}

const isLoopback = (host: string): boolean => /^(127\.\d+\.\d+\.\d+|localhost|::1|\[::1\])$/.test(host)
