import { builtIn, type Config } from '../../config/schema.ts'
import type { Clock } from '../../ports/clock.ts'
import { bad, fine, together, warn, type Finding } from './finding.ts'
import type { Place, Reach } from './reach.ts'

/** Every backend of every service, asked whether it is there. */
export async function servicesFinding({ services }: Config, reach: Reach): Promise<Finding> {
  if (services === builtIn) return fine('the bundled service API comes with the gateway')
  const places = serviceUrls({ services })
  if (places.length === 0) return warn('There is no service, so most tools have nothing behind them.', 'Name them in services.') // prettier-ignore
  const findings = places.map(async (place): Promise<Finding> => {
    const { name, url } = place
    const reached = await reach(place)
    if (reached.kind === 'unasked') return warn(`${name} cannot be asked without its certificate.`, 'Mend that first.')
    if (reached.kind === 'silent') return bad(`${name} cannot be reached (${reached.why}).`, `Look at ${url}.`)
    return reached.status >= 500 ? warn(`${name} answers ${reached.status}.`, `Look at ${url}.`) : fine('')
  })
  return together(await Promise.all(findings), `${places.length} backends answer`)
}

/** The base URL of each service in each region. */
export function serviceUrls({ services }: Pick<Config, 'services'>): readonly Place[] {
  if (services === builtIn) return []
  return Object.entries(services).flatMap(([service, { regions, tls }]) =>
    Object.entries(regions).map(([region, url]) => ({ name: `${service} in ${region}`, url, ...(tls && { tls }) })),
  )
}

/** Where alerts and spans go. Losing them loses no evidence. */
export async function sinksFinding({ alerts, telemetry }: Config, reach: Reach): Promise<Finding> {
  const places: readonly Place[] = [
    ...alerts.sinks.flatMap((sink, index) => sink.kind === 'webhook' ? [{ name: `alerts.sinks.${index}`, url: sink.url }] : []), // prettier-ignore
    ...(telemetry.otlp ? [{ name: 'telemetry.otlp', url: telemetry.otlp.url }] : []),
  ]
  const findings = places.map(async (place): Promise<Finding> => {
    const { name, url } = place
    const reached = await reach(place)
    return reached.kind !== 'silent'
      ? fine('')
      : warn(`${name} cannot be reached (${reached.why}).`, `Look at ${new URL(url).origin}.`)
  })
  return together(await Promise.all(findings), places.length === 0 ? 'nothing is sent elsewhere' : 'all answer')
}

/** How far clocks may be apart, milliseconds: tokens are judged with no more slack than that. */
const skewMaxMs = 60_000

/** A step of the wall clock within the look, milliseconds. */
const stepMaxMs = 250

/** The release was made after this; a clock before it is not set. */
const epochMs = Date.UTC(2026, 0, 1)

export interface ClockParts {
  readonly clock: Clock
  readonly reach: Reach
  /** Destinations whose clocks are compared with ours. */
  readonly places: readonly Place[]
  readonly wait: (ms: number) => Promise<void>
}

/** Our clocks against each other, and against those of services. */
export async function clocksFinding({ clock, reach, places, wait }: ClockParts): Promise<Finding> {
  const [wallMs, monoNs] = [clock.nowMs(), clock.monoNs()]
  await wait(200)
  const driftMs = clock.nowMs() - wallMs - Number(clock.monoNs() - monoNs) / 1e6
  const set = 'Let a time service (NTP) keep the clock.'
  const findings: Finding[] = []
  if (clock.nowMs() < epochMs) findings.push(bad(`The clock says ${new Date(clock.nowMs()).toISOString()}.`, set))
  if (Math.abs(driftMs) > stepMaxMs) findings.push(warn(`The wall clock stepped by ${Math.round(driftMs)} ms within a fifth of a second.`, set)) // prettier-ignore
  const compared = await Promise.all(places.map(async (place) => ({ ...place, reached: await reach(place) })))
  const skews = compared.flatMap(({ name, reached }) =>
    reached.kind === 'answered' && reached.aheadMs !== undefined ? [{ name, aheadMs: reached.aheadMs }] : [],
  )
  for (const { name, aheadMs } of skews)
    if (Math.abs(aheadMs) > skewMaxMs)
      findings.push(bad(`The clock of ${name} is ${Math.abs(Math.round(aheadMs / 1000))} s ${aheadMs > 0 ? 'ahead of' : 'behind'} ours.`, set)) // prettier-ignore
  const said = skews.length === 0 ? 'no other clock to compare with' : `within 60 s of ${skews.length} others`
  return together(findings, `steady, ${said}`)
}
