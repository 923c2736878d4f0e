import { join } from 'node:path'
import { systemClock } from '../adapters/clock-system.ts'
import { fileCommandLog } from '../adapters/command-log-file.ts'
import { openEvidenceLog, type FileEvidenceLog } from '../adapters/evidence-log-file.ts'
import { openKeys, type Keys } from '../adapters/keys-file.ts'
import { serviceClient } from '../adapters/service-http.ts'
import { sqliteState } from '../adapters/state-sqlite.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { Receipt } from '../ports/evidence-log.ts'
import type { AdminService } from '../server/admin.ts'
import { serverInfo } from '../server/identity.ts'
import type { GatewayService } from '../server/mcp.ts'
import { meters, type Meters } from '../telemetry/metrics.ts'
import { observer, type TelemetryObserver } from '../telemetry/observe.ts'
import { adminService } from './admin-service.ts'
import { embeddedDetector, type EmbeddedDetector } from './detector.ts'
import { loadEntries } from './entries.ts'
import { gatewayService } from './gateway-service.ts'
import type { GatewayOptions } from './options.ts'
import { switchboard, type Switchboard } from './switchboard.ts'

/** A gateway that is open: it takes calls and orders until it is closed. */
export interface Gateway {
  readonly service: GatewayService
  readonly admin: AdminService
  readonly keys: Keys
  readonly detector: EmbeddedDetector
  readonly switches: Switchboard
  /** Writes an entry of the gateway's own, such as an export, and resolves when it is durable. */
  readonly append: (entry: EvidenceEntry) => Promise<Receipt>
  /** Writes out pending spans. */
  flush(): Promise<void>
  /** Finishes what is under way, writes the last checkpoint, and lets go of the data directory. */
  close(): Promise<void>
}

/**
 * Opens a gateway on its data directory: keys, evidence log, state, command log, detector. Refuses, having let go of
 * everything again, when any of them cannot be used. What is forbidden is known before the first call can arrive.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  await using held = new AsyncDisposableStack()
  const keep = <T extends { close(): Promise<unknown> | void }>(thing: T): T =>
    held.adopt(thing, async (kept) => void (await kept.close()))
  const fault = (error: unknown): void => options.report({ level: 'error', fault: told(error) })
  const clock = systemClock()
  const keys = await openKeys(join(options.data, 'keys'), clock, options.deployment)
  const measured = keep(meters())
  const seen = keep(openObserver(options, clock, measured))
  const log = keep(await openLog(options, keys, clock))
  const state = keep(sqliteState({ file: join(options.data, 'state.db') }))
  const commands = keep(await fileCommandLog({ directory: join(options.data, 'control'), trusted: keys.commandKeys }))
  const switches = switchboard({ commands, log, clock, operator: keys.deployment, detector: keys.detector, fault })
  const shared = { options, clock, log, switchboard: switches, meters: measured, fault }
  const watching = keep(embeddedDetector(shared))
  const { urls, credential } = options.services
  const services = keep(serviceClient({ services: urls, credential, random: Math.random }))
  const service = gatewayService({ ...shared, keys, state, services, observer: seen })
  for (const entry of loadEntries(options)) await log.append(entry)
  const open = held.move()
  return {
    service,
    admin: adminService(shared),
    keys,
    detector: watching,
    switches,
    append: (entry) => log.append(entry),
    flush: () => seen.flush(),
    async close() {
      await watching.settled()
      await open.disposeAsync()
    },
  }
}

function openLog(options: GatewayOptions, keys: Keys, clock: Clock): Promise<FileEvidenceLog> {
  const { data: directory, gateway, deployment, signing } = options
  return openEvidenceLog({
    directory,
    gateway,
    deployment,
    deploymentSigner: keys.deployment,
    trusted: keys.trusted,
    clock,
    signing,
  })
}

function openObserver(options: GatewayOptions, clock: Clock, measured: Meters): TelemetryObserver {
  const { otlpUrl, exporter } = options.telemetry
  return observer({
    clock,
    serviceVersion: serverInfo.version,
    environment: options.mode,
    spansFile: join(options.data, 'spans.jsonl'),
    meters: measured,
    log: (line) => options.report({ level: 'warn', telemetry: line }),
    ...(otlpUrl !== undefined && { otlp: { url: otlpUrl } }),
    ...(exporter && { exporter }),
  })
}

const told = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
