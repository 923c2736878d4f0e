import { setTimeout as wait } from 'node:timers/promises'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import type { ServiceTlsSection } from '../config/tls-section.ts'
import type { Clock } from '../ports/clock.ts'
import type { Secret } from '../ports/secret.ts'
import { certificatesFinding } from './doctor/certificates.ts'
import { dataFinding } from './doctor/data.ts'
import { evidenceFinding } from './doctor/evidence.ts'
import { bad, told, type Examination, type Finding } from './doctor/finding.ts'
import { adminTokenFinding, keysFinding } from './doctor/keys.ts'
import { listenersFinding } from './doctor/listeners.ts'
import { clocksFinding, serviceUrls, servicesFinding, sinksFinding } from './doctor/outside.ts'
import { processFinding, type ProcessFacts } from './doctor/process.ts'
import { reacher, type Reach } from './doctor/reach.ts'
import { configurationFinding, detectionsFinding, policiesFinding } from './doctor/rules.ts'
import { secretsFound, type SecretsFound } from './doctor/secrets.ts'
import { issuersFinding, issuerUrls, ticketsFinding } from './doctor/sources.ts'
import { stateFinding } from './doctor/state.ts'

export interface DoctorOptions extends Omit<ProcessFacts, 'mode'> {
  readonly loaded: LoadedConfig
  /** The configuration file; absent for the development server's. */
  readonly file?: string
  readonly clock: Clock
  /** What is shown to the admin listener and trusted of it; without it, its own certificate is trusted and none is shown. */
  readonly client?: ServiceTlsSection
  /** Longest that one look may take, milliseconds. */
  readonly timeoutMs?: number
  /** Told as each look ends. */
  readonly progress?: (done: number, total: number) => void
}

/** One thing that was looked at. */
export interface Check extends Finding {
  readonly name: string
}

const timeoutDefaultMs = 15_000

/**
 * Looks at everything a gateway needs, at what is here and then at what is elsewhere, and changes nothing that lasts. In the
 * order in which a person would mend it. While the configuration is wrong only what does not depend on it is looked at. No
 * output holds a secret.
 */
export async function doctor(options: DoctorOptions): Promise<readonly Check[]> {
  const { config } = options.loaded
  const knocking = reacher(config?.mode ?? 'production', options.clock)
  const secrets = config && openedOnce(() => secretsFound(config, options))
  const near = [...withoutConfig(options), ...(config ? rulesOf(options) : [])]
  const far = config && secrets ? withConfig(options, { config, reach: knocking.reach, secrets }) : []
  const { progress = () => undefined, timeoutMs = timeoutDefaultMs } = options
  let done = 0
  const all = (looks: readonly Examination[]) =>
    Promise.all(
      looks.map(async (one) => {
        const finding = await looked(one, timeoutMs)
        progress((done += 1), near.length + far.length)
        return { name: one.name, ...finding }
      }),
    )
  // One after the other: the time that our own work takes is not to be mistaken for somebody else's silence.
  const checks = [...(await all(near)), ...(await all(far))]
  await knocking.close()
  const opened = secrets?.soFar() ?? []
  return checks.map((check) => withoutSecrets(check, opened))
}

/** Secrets that several looks need, opened when the first one asks: a login at Vault may be one of few that are left. */
interface Opened {
  found(): Promise<SecretsFound>
  /** What is open by now. */
  soFar(): readonly Secret[]
}

function openedOnce(open: () => Promise<SecretsFound>): Opened {
  let found: Promise<SecretsFound> | undefined
  let held: SecretsFound | undefined
  return {
    found: () => (found ??= open().then((one) => (held = one))),
    soFar: () => held?.opened ?? [],
  }
}

function withoutConfig(options: DoctorOptions): readonly Examination[] {
  const { loaded, file, data } = options
  const mode = loaded.config?.mode ?? 'production'
  return [
    { name: 'configuration', look: () => configurationFinding(loaded, file) },
    { name: 'process', look: () => processFinding({ ...options, mode }) },
    { name: 'data', look: () => dataFinding(data) },
    { name: 'keys', look: () => keysFinding(data) },
    { name: 'admin token', look: () => adminTokenFinding(data) },
    { name: 'evidence', look: () => evidenceFinding(data) },
    { name: 'state', look: () => stateFinding(data) },
  ]
}

const rulesOf = ({ loaded }: DoctorOptions): readonly Examination[] => [
  { name: 'policies', look: () => policiesFinding(loaded) },
  { name: 'detections', look: () => detectionsFinding(loaded) },
]

interface Configured {
  readonly config: Config
  readonly reach: Reach
  readonly secrets: Opened
}

function withConfig(options: DoctorOptions, { config, reach, secrets }: Configured): readonly Examination[] {
  const { clock, client } = options
  const opened = async () => (await secrets.found()).opened
  return [
    { name: 'secrets', look: async () => (await secrets.found()).finding },
    { name: 'certificates', look: () => certificatesFinding(config, clock) },
    { name: 'issuers', look: () => issuersFinding(config, clock) },
    { name: 'tickets', look: () => ticketsFinding(config, { clock, secrets: opened }) },
    {
      name: 'clocks',
      look: () => clocksFinding({ clock, reach, places: [...serviceUrls(config), ...issuerUrls(config)], wait }),
    },
    { name: 'services', look: () => servicesFinding(config, reach) },
    { name: 'sinks', look: () => sinksFinding(config, reach) },
    { name: 'listeners', look: () => listenersFinding(config, { clock, ...(client && { client }) }) },
  ]
}

/** What throws or hangs is bad, and says so; the others go on. */
async function looked({ look, name }: Examination, timeoutMs: number): Promise<Finding> {
  const ended = new AbortController()
  const late = wait(timeoutMs, undefined, { signal: ended.signal, ref: false }).then(
    () => bad(`Looking at ${name} took longer than ${timeoutMs / 1000} s.`, 'Look at it by hand.'),
    () => bad(`Looking at ${name} ended early.`, 'Look at it by hand.'),
  )
  const found = Promise.resolve()
    .then(look)
    .catch((error: unknown) => bad(told(error), 'Look at it by hand.'))
  return Promise.race([found, late]).finally(() => ended.abort())
}

/** Shorter values stand in many texts by chance. */
const valueLengthMin = 6

/** Nothing that is looked at repeats a secret; this makes sure. */
function withoutSecrets(check: Check, secrets: readonly Secret[]): Check {
  const values = secrets.flatMap((secret) => {
    try {
      return secret.current()
    } catch {
      return []
    }
  })
  const clean = (text: string): string =>
    values.filter((value) => value.length >= valueLengthMin).reduce((said, value) => said.replaceAll(value, '[secret]'), text) // prettier-ignore
  return { ...check, detail: clean(check.detail), ...(check.fix !== undefined && { fix: clean(check.fix) }) }
}
