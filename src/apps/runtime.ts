import { createSecretKey, randomUUID } from 'node:crypto'
import { undiciEgress } from '../adapters/egress-undici.ts'
import type { Keys } from '../adapters/keys-file.ts'
import type { ServiceClient } from '../adapters/service-http.ts'
import type { Watch } from '../call/authenticate.ts'
import type { Enforced } from '../call/halt.ts'
import { handler } from '../call/handle.ts'
import { receive } from '../call/receive.ts'
import { notes } from '../call/record.ts'
import { stopped } from '../control/stopped.ts'
import { registrableDomain } from '../detection/domain.ts'
import type { Provenance } from '../detection/provenance.ts'
import { builtInKinds, isSecret } from '../dlp/kinds.ts'
import { scanner } from '../dlp/scan.ts'
import { directory, type Directory } from '../identity/directory.ts'
import { rightsNow } from '../identity/elevation.ts'
import { identifier } from '../identity/identify.ts'
import type { ProofPace } from '../identity/proof-pace.ts'
import { replay } from '../identity/replay.ts'
import type { SteadyTime } from '../identity/steady.ts'
import { verifier } from '../identity/token.ts'
import type { CeilingsOf } from '../limits/ceilings.ts'
import type { CallLimiter } from '../limits/limiter.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { Observer } from '../ports/observer.ts'
import type { StateStore } from '../ports/state-store.ts'
import type { GatewayService } from '../server/mcp.ts'
import type { Meters } from '../telemetry/metrics.ts'
import { buildStages, stageTimeoutMs } from './build-stages.ts'
import type { Digests } from './digests.ts'
import type { GrantDesk } from './grant-desk.ts'
import type { GatewayOptions } from './options.ts'
import type { RolloutGuard } from './rollout-guard.ts'
import type { Switchboard } from './switchboard.ts'

/** What lives as long as the process, whatever configuration says meanwhile: logs, state, counts and memories. */
export interface Lasting {
  readonly clock: Clock
  /** The same time before and after a reload: what has ended stays ended. */
  readonly time: SteadyTime
  readonly keys: Keys
  readonly log: EvidenceLog
  readonly state: StateStore
  readonly switchboard: Switchboard
  readonly grants: GrantDesk
  readonly services: ServiceClient
  readonly observer: Observer
  readonly meters: Meters
  readonly digests: Digests
  readonly limiter: CallLimiter
  readonly provenance: Provenance
  readonly watch: Watch
  readonly enforced: Enforced
  readonly pace: ProofPace
  readonly guard: Pick<RolloutGuard, 'over'>
}

/** Everything that follows from one version of the configuration. It judges the calls that began with it to their end. */
export interface Runtime extends Pick<GatewayService, 'identify' | 'prove' | 'call' | 'tools'> {
  readonly options: GatewayOptions
}

/** Builds a runtime aside: nothing of it is in force, and nothing that is in force changes. Throws when it cannot be built. */
export function runtime(lasting: Lasting, options: GatewayOptions): Runtime {
  const { clock, log, switchboard, digests } = lasting
  const listed = directory(options.identity.principals)
  const hashKey = (tenant: string) => ({ id: 'h1', key: digests.tenantKey(tenant) })
  const scan = scanner({ hashKey })
  const noted = notes({
    digest: digests.keyed,
    fingerprint: (tenant, args) => digests.fingerprint(tenant, args),
    policyDigest: () => options.policy.digest,
    detectorVersion: scan.version,
    registrableDomain,
    clean: (text) => scan.scan(text).count === 0,
  })
  const { identify, prove } = identifierOf(lasting, options, listed)
  const { stages, idempotency } = buildStages({
    options,
    clock,
    log,
    state: lasting.state,
    switchboard,
    grants: lasting.grants,
    requestStateKey: createSecretKey(lasting.keys.historyKey),
    identify,
    watch: lasting.watch,
    enforced: lasting.enforced,
    limiter: lasting.limiter.under(ceilingsOf(options, listed)),
    scanner: scan,
    departing: scanner({ hashKey, modes: departingModes }),
    provenance: lasting.provenance.trusting((value) => options.egress.bulk.includes(value)),
    digests,
    notes: noted,
    services: lasting.services.to({ ...options.services, services: options.services.urls }),
    egress: undiciEgress({ lists: options.egress, denied: (_domain, reason) => lasting.meters.egressBlocked(reason) }),
  })
  const handle = handler({
    stages,
    log,
    notes: noted,
    settle: idempotency.settle,
    fault: (call, { denied, cause }) =>
      options.report({ level: 'error', call: call.id, code: denied.code, cause: cause ?? '' }),
    stageTimeoutMs,
    policyDigest: options.policy.digest,
  })
  const received = {
    tool: lasting.guard.over(options.catalog.get, options.rollouts),
    observer: lasting.observer,
    clock,
    id: randomUUID,
  }
  return {
    options,
    identify,
    prove,
    call: (request) => handle(receive(received, request)),
    tools(who) {
      if (stopped(switchboard.forbids, who)) return []
      const { rights } = rightsNow(listed, lasting.grants.elevated, who)
      const inForce = switchboard.rightsOf({ tenant: who.tenant, actor: who.actor.id, rights })
      return options.catalog.list
        .filter(({ visibleWith }) => visibleWith.some((scope) => inForce.includes(scope)))
        .map(({ definition }) => definition)
    },
  }
}

/** Secrets may not leave at all; an address of the destination itself is not the caller's data. */
const departingModes = {
  ...Object.fromEntries(builtInKinds.filter(isSecret).map((kind) => [kind, 'block' as const])),
  ip: 'pass' as const,
}

function identifierOf({ clock, time, keys, state, pace, grants }: Lasting, options: GatewayOptions, listed: Directory) {
  const { issuers, audience, skewSec, local } = options.identity
  return identifier({
    verifier: verifier({ issuers, audience, clock: { ...clock, nowMs: time.latestMs }, skewSec, cacheMax: 10_000 }),
    replay: replay({ state, time, mode: options.identity.replay }),
    dpop: { state, time, pace },
    directory: listed,
    sessionKey: createSecretKey(keys.sessionKey),
    homeRegion: (tenant) => options.regions.tenants[tenant] ?? '',
    elevations: grants.elevated,
    ...(local && { local }),
  })
}

/** Ceilings as configured: a principal's own, its tenant's, the tool's. */
function ceilingsOf({ limits }: GatewayOptions, listed: Directory): CeilingsOf {
  return (subject, name) => {
    if (subject === 'tenant') return limits.tenants[name]
    if (subject === 'tool') return limits.tools[name]
    const entry = listed.find(name)
    return entry && { ...entry.limits, ...entry.stop_rules }
  }
}
