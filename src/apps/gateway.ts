import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { awakeClock } from '../adapters/clock-awake.ts'
import { systemClock } from '../adapters/clock-system.ts'
import { fileCommandLog } from '../adapters/command-log-file.ts'
import { openEvidenceLog, type FileEvidenceLog } from '../adapters/evidence-log-file.ts'
import { fileOutbox } from '../adapters/evidence-outbox-file.ts'
import { openKeys, type Keys } from '../adapters/keys-file.ts'
import type { OutgoingGate } from '../adapters/outgoing-gate.ts'
import { serviceClient, type ServiceClient } from '../adapters/service-http.ts'
import { memoryState } from '../adapters/state-memory.ts'
import { sqliteState } from '../adapters/state-sqlite.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { Receipt } from '../ports/evidence-log.ts'
import type { AdminService } from '../server/admin.ts'
import { serverInfo } from '../server/server-info.ts'
import type { GatewayService } from '../server/mcp.ts'
import { meters as openMeters, type Meters } from '../telemetry/metrics.ts'
import { watchSecrets } from '../telemetry/secret-meters.ts'
import { observer, type TelemetryObserver } from '../telemetry/observe.ts'
import { adminService } from './admin-service.ts'
import { changes, type Changes } from './change.ts'
import { measured } from './count.ts'
import { embeddedDetector, type EmbeddedDetector } from './detector.ts'
import { loadEntries } from './entries.ts'
import type { GrantDesk } from './grant-desk.ts'
import { gatewayService } from './gateway-service.ts'
import { openGrants } from './open-grants.ts'
import type { GatewayOptions } from './options.ts'
import { openGuard } from './open-guard.ts'
import type { RolloutGuard } from './rollout-guard.ts'
import { breakerLevels, queueLengths, realSleep, serviceGate } from './service-gate.ts'
import { secretAges } from './secret-ages.ts'
import { closeServiceTls, reportTls } from './service-tls.ts'
import type { ConfiguredBus } from './open-bus.ts'
import { shipping, type Shipping } from './shipping.ts'
import { switchboard, type Switchboard } from './switchboard.ts'
import { transport, type Transport } from './transport.ts'

/** A gateway that is open: it takes calls and orders until it is closed. */
export interface Gateway {
  readonly service: GatewayService
  readonly admin: AdminService
  readonly keys: Keys
  readonly detector: EmbeddedDetector
  readonly switches: Switchboard
  /** Elevations and approvals. */
  readonly grants: GrantDesk
  readonly rollouts: RolloutGuard
  readonly transport: Transport
  /** Other options, while it runs. */
  readonly changes: Changes
  /** Evidence on its way to the bus; absent when it stays in its files. */
  readonly carried?: Shipping
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
  keep(options.secrets)
  const keys = await openKeys(join(options.data, 'keys'), clock, options.deployment)
  const meters = keep(openMeters())
  const seen = keep(openObserver({ options, clock, keys, meters }))
  const carried = options.openBus && keep(carrying(await options.openBus(), { options, clock, meters }))
  const opened = keep(await openLog(options, keys, clock))
  for (const problem of opened.recovery.problems) options.report({ level: 'error', evidence: JSON.stringify(problem) })
  const log = measured(opened, meters, clock.monoNs)
  carried?.begin(opened)
  const state = keep(options.state === 'memory' ? memoryState() : sqliteState({ file: join(options.data, 'state.db') }))
  const commands = keep(await fileCommandLog({ directory: join(options.data, 'control'), trusted: keys.commandKeys }))
  const switches = keep(
    switchboard({
      commands,
      log,
      clock,
      tools: options.toolNames,
      operator: keys.deployment,
      detector: keys.detector,
      fault,
    }),
  )
  const shared = { options, clock, log, switchboard: switches, meters, fault }
  const live: LiveOptions = {
    detector: options.detector,
    get sinks() {
      return service.options().sinks
    },
    get tickets() {
      return service.options().tickets
    },
    get identity() {
      return service.options().identity
    },
  }
  const watching = keep(
    embeddedDetector({ ...shared, options: live, propose: (...wanted) => grants.propose(...wanted) }),
  )
  const awake = keep(awakeClock(clock))
  const gate = serviceGate({ clock: awake, log, meters, report: options.report, fault })
  const services = keep(openServices(options, gate, clock))
  const guard = keep(
    await openGuard({
      ...shared,
      keys,
      awake,
      observer: seen,
      open: (own) => openServices(options, own, clock),
      tell: watching.tell,
      inForce: () => service.options(),
    }),
  )
  const grants = keep(await openGrants({ ...shared, keys, state, options: () => grantable(service.options()) }))
  const service = gatewayService({ ...shared, keys, state, services, observer: seen, grants, guard })
  meters.watch({
    switches: () => countsBy(switches.list().map(({ kind }) => kind)),
    breakers: () => breakerLevels([gate, ...guard.gates]),
    queues: () => queueLengths([gate, ...guard.gates]),
    rollouts: () => countsBy(guard.watches().map(({ rollingBack }) => (rollingBack ? 'rolling back' : 'watched'))),
    objectives: () => service.options().objectives,
    ...(carried && { busLagS: () => carried.state().lagMs / 1e3 }),
  })
  guard.resume()
  const secrets = () => service.options().secrets
  watchSecrets(meters.provider, () => secrets().list())
  keep(secretAges({ inUse: secrets, clock, report: options.report }))
  for (const entry of loadEntries(options)) await log.append(entry)
  const certificates = transport({ ...shared, report: options.report, tell: watching.tell })
  reportTls(options, certificates)
  held.defer(() => closeServiceTls(service.options()))
  await grants.prepare(options.elevations)
  const open = held.move()
  return {
    service,
    admin: adminService({ ...shared, options: live, detector: watching, grants, ...(carried && { carried }) }),
    keys,
    detector: watching,
    switches,
    grants,
    rollouts: guard,
    transport: certificates,
    changes: changes({ ...shared, service, transport: certificates, detector: watching, report: options.report }),
    ...(carried && { carried }),
    append: (entry) => log.append(entry),
    flush: () => seen.flush(),
    close: () => open.disposeAsync(),
  }
}

function countsBy(names: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries([...new Set(names)].map((name) => [name, names.filter((other) => other === name).length]))
}

/** What the configuration in force has to say about what may be granted. */
const grantable = ({ catalog, identity, tickets }: GatewayOptions) => ({
  tools: catalog.list,
  principals: identity.principals,
  tickets,
})

/** What parts that outlive a reload read of the configuration in force. */
type LiveOptions = Pick<GatewayOptions, 'detector' | 'sinks' | 'tickets' | 'identity'>

function openServices({ services }: GatewayOptions, gate: OutgoingGate, { nowMs }: Clock): ServiceClient {
  return serviceClient({ ...services, services: services.urls, gate, random: Math.random, nowMs, sleep: realSleep })
}

function carrying(
  { bus, topics }: ConfiguredBus,
  { options, clock, meters }: { readonly options: GatewayOptions; readonly clock: Clock; readonly meters: Meters },
): Shipping {
  const { data: directory, gateway, report } = options
  const outbox = fileOutbox({ directory, gateway })
  return shipping({ outbox, bus, topics, nowMs: clock.nowMs, sleep, report, sent: meters.carried })
}

/** Ends early, and quietly, when it is aborted. */
const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { signal }).catch(() => undefined)

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

interface ObserverParts {
  readonly options: GatewayOptions
  readonly clock: Clock
  readonly keys: Keys
  readonly meters: Meters
}

function openObserver({ options, clock, keys, meters }: ObserverParts): TelemetryObserver {
  const { spansFile, ...telemetry } = options.telemetry
  return observer({
    ...telemetry,
    clock,
    serviceVersion: serverInfo.version,
    meters,
    ...(spansFile && { spansFile: join(options.data, 'spans.jsonl') }),
    digest: (text) => createHmac('sha256', keys.historyKey).update(`span\0${text}`).digest('hex').slice(0, 16),
    log: (line) => options.report({ level: 'warn', telemetry: line }),
  })
}

const told = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
