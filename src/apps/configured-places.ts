import { consoleAlertSink } from '../adapters/alert-console.ts'
import { jsonlAlertSink } from '../adapters/alert-jsonl.ts'
import { webhookAlertSink } from '../adapters/alert-webhook.ts'
import { systemClock } from '../adapters/clock-system.ts'
import { ticketsFile } from '../adapters/tickets-file.ts'
import { ticketsHttp } from '../adapters/tickets-http.ts'
import { builtIn, type Config, type SinkSection } from '../config/schema.ts'
import type { AlertSink } from '../ports/alert-sink.ts'
import type { Secret } from '../ports/secret.ts'
import type { TicketRegister } from '../ports/tickets.ts'
import { ConfigError } from './config-error.ts'
import { once } from './kept.ts'
import { openBus } from './open-bus.ts'
import type { GatewayOptions } from './options.ts'
import { credentials, type Secrets } from './secrets.ts'
import { tlsOfServices } from './service-tls.ts'
import type { Surroundings } from './surroundings.ts'

/** Where services are, with what is shown to them and trusted of them. Rejects when a secret or a certificate cannot be used. */
export async function servicesOf(
  config: Config,
  secrets: Secrets,
  { keep = once }: Surroundings,
): Promise<GatewayOptions['services']> {
  if (config.services === builtIn)
    throw new ConfigError(['services: the bundled service API runs in `serve` and `demo` only.'])
  const services = Object.entries(config.services)
  const tokens = new Map<string, Secret>()
  for (const [name, { token }] of services)
    if (token) tokens.set(name, await secrets.open(`services.${name}.token`, token))
  return {
    urls: Object.fromEntries(services.map(([name, { regions }]) => [name, regions])),
    credential: credentials(tokens),
    guards: Object.fromEntries(services.map(([name, { guard }]) => [name, guard])),
    tls: await tlsOfServices(config.mode, config.services, keep),
  }
}

/** The register of tickets; without one nobody has any. */
export async function ticketsOf(
  { tickets: { file, url, token } }: Config,
  secrets: Secrets,
  { keep = once, report }: Surroundings,
): Promise<TicketRegister> {
  const fault = ({ message }: Error) => report({ level: 'error', fault: message })
  if (file !== undefined) return ticketsFile({ file, fault })
  if (url === undefined || token === undefined) return noTickets
  const secret = await secrets.open('tickets.token', token)
  return keep('tickets', [url, token], () => ticketsHttp({ url, token: secret, clock: systemClock(), fault }))
}

const noTickets: TicketRegister = {
  find: async () => undefined,
  approvedFor: async () => [],
  problem: () => undefined,
}

/** How to open the bus that evidence is carried to; nothing where it stays in its files. */
export async function busOf(
  { bus, evidence: { gateway } }: Config,
  secrets: Secrets,
  { report }: Surroundings,
): Promise<Pick<GatewayOptions, 'openBus'>> {
  if (bus.kind === 'file') return {}
  const password = bus.sasl && (await secrets.open('bus.sasl.password', bus.sasl.password))
  return { openBus: () => openBus({ section: bus, gateway, report, ...(password && { password }) }) }
}

/** What becomes of spans. Rejects when a secret cannot be read. */
export async function telemetryOf({ mode, telemetry }: Config, secrets: Secrets): Promise<GatewayOptions['telemetry']> {
  const { otlp, spansFile, traceTrust, spanNaming } = telemetry
  const headers: Record<string, Secret> = {}
  for (const [name, ref] of Object.entries(otlp?.headers ?? {}))
    headers[name] = await secrets.open(`telemetry.otlp.headers.${name}`, ref)
  return {
    spansFile,
    traceTrust,
    spanNaming,
    environment: telemetry.environment ?? mode,
    ...(otlp && { otlp: { url: otlp.url, headers } }),
  }
}

/** Where alerts go; `at` is the sink’s place in the configuration, which names its secret. */
export async function sinkOf(sink: SinkSection, at: string, secrets: Secrets): Promise<AlertSink> {
  switch (sink.kind) {
    case 'console':
      return consoleAlertSink({ write: (line) => void process.stderr.write(line) })
    case 'jsonl':
      return jsonlAlertSink({ path: sink.path })
    case 'webhook': {
      const secret = sink.secret && (await secrets.open(`${at}.secret`, sink.secret))
      return webhookAlertSink({ url: new URL(sink.url), clock: systemClock(), ...(secret && { secret }) })
    }
  }
}
