import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Keys } from '../adapters/keys-file.ts'
import type { OutgoingGate, Sleep } from '../adapters/outgoing-gate.ts'
import type { ServiceClient } from '../adapters/service-http.ts'
import { memoryWatches } from '../adapters/watches-memory.ts'
import { sqliteWatches } from '../adapters/watches-sqlite.ts'
import { scanner } from '../dlp/scan.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { Meters } from '../telemetry/metrics.ts'
import type { TelemetryObserver } from '../telemetry/observe.ts'
import type { Tell } from './alerting.ts'
import { digests } from './digests.ts'
import type { GatewayOptions } from './options.ts'
import { rolloutGuard, type RolloutGuard } from './rollout-guard.ts'
import { guardActor } from './rollout-story.ts'
import { serviceGate } from './service-gate.ts'

export interface OpenGuard extends RolloutGuard {
  /** What stands between the guard and the services. */
  readonly gates: readonly OutgoingGate[]
}

export interface OpenGuardParts {
  readonly options: GatewayOptions
  readonly clock: Clock
  /** The clock by which services are slow. */
  readonly awake: Clock
  readonly keys: Keys
  readonly log: EvidenceLog
  readonly meters: Meters
  readonly observer: Pick<TelemetryObserver, 'ownCall'>
  /** Opens the services once more, behind a gate of their own. */
  readonly open: (gate: OutgoingGate) => ServiceClient
  readonly tell: Tell
  readonly fault: (error: unknown) => void
  /** The configuration in force. */
  readonly inForce: () => GatewayOptions
}

/** A timer that keeps no process alive. */
const unheld: Sleep = async (ms, signal) => wait(ms, undefined, { signal, ref: false })

/** Opens the rollout guard beside the gateway's other state. It follows the configuration in force, also after a reload. */
export async function openGuard(parts: OpenGuardParts): Promise<OpenGuard> {
  const { options, clock, keys, log, meters, open, fault, inForce } = parts
  const keyed = digests(keys, clock)
  const scan = scanner({ hashKey: (tenant) => ({ id: 'h1', key: keyed.tenantKey(tenant) }) })
  const gateFor = (purpose: string) =>
    serviceGate({ clock: parts.awake, log, meters, report: options.report, fault, purpose })
  const gates = [gateFor('rollout looks'), gateFor('rollbacks')] as const
  const [looks, writes] = [open(gates[0]), open(gates[1])]
  const inForceOf = (client: ServiceClient) => () => {
    const { urls, ...rest } = inForce().services
    return client.to({ ...rest, services: urls })
  }
  const guard = await rolloutGuard({
    store: options.state === 'memory' ? memoryWatches() : sqliteWatches({ file: join(options.data, 'state.db') }),
    services: { look: inForceOf(looks), write: inForceOf(writes) },
    rule: () => inForce().rollouts,
    log,
    clock,
    meters,
    tell: parts.tell,
    digests: keyed,
    policyDigest: () => inForce().policy.digest,
    clean: (text) => scan.scan(text).count === 0,
    random: Math.random,
    sleep: unheld,
    span: (tenant, { traceId, spanId }, operationId) =>
      parts.observer.ownCall({
        actor: guardActor.id,
        tool: 'flag.set',
        tenant,
        ...(spanId !== undefined && { traceparent: `00-${traceId}-${spanId}-01` }),
        ...(operationId !== undefined && { operationId }),
      }),
    fault,
  })
  const close = async () => {
    await guard.close()
    await Promise.all([looks.close(), writes.close()])
  }
  return { ...guard, gates, close }
}
