import { createSecretKey, randomUUID } from 'node:crypto'
import { undiciEgress } from '../adapters/egress-undici.ts'
import type { Keys } from '../adapters/keys-file.ts'
import type { ServiceClient } from '../adapters/service-http.ts'
import { handler } from '../call/handle.ts'
import { receive } from '../call/receive.ts'
import { notes } from '../call/record.ts'
import { registrableDomain } from '../detection/domain.ts'
import { provenance } from '../detection/provenance.ts'
import { builtInKinds, isSecret } from '../dlp/kinds.ts'
import { scanner } from '../dlp/scan.ts'
import { directory, type Directory } from '../identity/directory.ts'
import { grantWatch } from '../identity/grant-watch.ts'
import { identifier } from '../identity/identify.ts'
import type { Principal } from '../identity/principal.ts'
import { verifier } from '../identity/token.ts'
import type { CeilingsOf } from '../limits/ceilings.ts'
import { limiter } from '../limits/limiter.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { Observer } from '../ports/observer.ts'
import type { StateStore } from '../ports/state-store.ts'
import type { GatewayService } from '../server/mcp.ts'
import type { Meters } from '../telemetry/metrics.ts'
import { buildStages, stageTimeoutMs } from './build-stages.ts'
import { digests } from './digests.ts'
import { enforcedEntry, grantEntry, ticketEntry } from './entries.ts'
import type { GatewayOptions } from './options.ts'
import type { Switchboard } from './switchboard.ts'

export interface GatewayServiceParts {
  readonly options: GatewayOptions
  readonly clock: Clock
  readonly keys: Keys
  readonly log: EvidenceLog
  readonly state: StateStore
  readonly switchboard: Switchboard
  readonly services: ServiceClient
  readonly observer: Observer
  readonly meters: Meters
  readonly fault: (error: unknown) => void
}

/** What the transports call: identification, governed calls, and the tools a principal may see. */
export function gatewayService(parts: GatewayServiceParts): GatewayService {
  const { options, clock, keys, log, state, switchboard, fault } = parts
  const listed = directory(options.identity.principals)
  const keyed = digests(keys, clock)
  const hashKey = (tenant: string) => ({ id: 'h1', key: keyed.tenantKey(tenant) })
  const scan = scanner({ hashKey })
  const departing = scanner({ hashKey, modes: departingModes })
  const noted = notes({
    digest: keyed.keyed,
    fingerprint: (tenant, args) => keyed.fingerprint(tenant, args),
    policyDigest: () => options.policy.digest,
    detectorVersion: scan.version,
    registrableDomain,
    clean: (text) => scan.scan(text).count === 0,
  })
  const identify = identifierOf(parts, listed)
  const { stages, idempotency } = buildStages({
    options,
    clock,
    log,
    state,
    switchboard,
    identify,
    watch: grantWatch({
      state,
      clock,
      grantsMax: 100_000,
      report: (...grant) => reportGrant(parts, ...grant),
    }),
    enforced: firstEnforcement(log, fault),
    limiter: limiter({
      clock,
      state,
      configured: ceilingsOf(options, listed),
      lowered: loweredBy(switchboard),
      miscount: fault,
    }),
    scanner: scan,
    departing,
    provenance: provenance({
      sessionsMax: 10_000,
      hash: keyed.lasting,
      trusted: (value) => options.egress.bulk.includes(value),
    }),
    digests: keyed,
    notes: noted,
    services: parts.services,
    egress: undiciEgress({ lists: options.egress, denied: (_domain, reason) => parts.meters.egressBlocked(reason) }),
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
  const received = { tool: options.catalog.get, observer: parts.observer, clock, id: randomUUID }
  return {
    identify,
    call: (request) => handle(receive(received, request)),
    tools({ tenant, actor, rights }) {
      const inForce = switchboard.rightsOf({ tenant, actor: actor.id, rights })
      return options.catalog.list
        .filter(({ visibleWith }) => visibleWith.some((scope) => inForce.includes(scope)))
        .map(({ definition }) => definition)
    },
    unrecorded: (code) => parts.meters.authFailure(`${code} unrecorded`),
  }
}

/** Secrets may not leave at all; an address of the destination itself is not the caller's data. */
const departingModes = {
  ...Object.fromEntries(builtInKinds.filter(isSecret).map((kind) => [kind, 'block' as const])),
  ip: 'pass' as const,
}

function identifierOf({ options, clock, keys }: GatewayServiceParts, listed: Directory) {
  const { issuers, audience, skewSec, local } = options.identity
  return identifier({
    verifier: verifier({ issuers, audience, clock, skewSec, cacheMax: 10_000 }),
    directory: listed,
    sessionKey: createSecretKey(keys.sessionKey),
    homeRegion: (tenant) => options.regions.tenants[tenant] ?? '',
    ...(local && { local }),
  })
}

/** The change that allows a grant is written down before the grant: who judges them reads in this order. */
async function reportGrant(
  { options, clock, log }: GatewayServiceParts,
  who: Principal,
  scopes: readonly string[],
  traceId: string,
): Promise<void> {
  for (const ticket of await options.tickets.approvedFor(who, clock.nowMs())) {
    await log.append({ ...ticketEntry(who, ticket), traceId })
  }
  await log.append({ ...grantEntry(who, scopes, options.catalog.list), traceId })
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

function loweredBy(switchboard: Switchboard): CeilingsOf {
  return (subject, name, tenant) =>
    switchboard.limitsFor({
      tenant,
      actor: subject === 'principal' ? name : '',
      tool: subject === 'tool' ? name : '',
    })
}

/** Most (switch, session) pairs whose first refusal is remembered. */
const enforcedMax = 10_000

/** Writes down the first refusal of a session by a switch, once. */
function firstEnforcement(log: EvidenceLog, fault: (error: unknown) => void) {
  const seen = new Set<string>()
  return (...[halted, call]: Parameters<typeof enforcedEntry>): void => {
    const key = `${halted.switchId} ${call.who.session}`
    if (seen.has(key)) return
    if (seen.size >= enforcedMax) seen.clear()
    seen.add(key)
    log.append(enforcedEntry(halted, call)).catch(fault)
  }
}
