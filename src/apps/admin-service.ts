import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { Json } from '../ports/json.ts'
import type { AdminService } from '../server/admin.ts'
import type { Meters } from '../telemetry/metrics.ts'
import type { EmbeddedDetector } from './detector.ts'
import type { GrantDesk } from './grant-desk.ts'
import type { GatewayOptions } from './options.ts'
import { conditionLevels, conditions, saidOf } from './readiness.ts'
import type { Shipping } from './shipping.ts'
import type { Switchboard } from './switchboard.ts'

export interface AdminServiceParts {
  readonly options: Pick<GatewayOptions, 'tickets' | 'identity'>
  readonly log: EvidenceLog
  readonly switchboard: Switchboard
  readonly grants: GrantDesk
  readonly meters: Meters
  readonly detector: Pick<EmbeddedDetector, 'problem'>
  readonly carried?: Pick<Shipping, 'state'>
}

/** Whoever holds the admin token; persons have names once they sign in. */
const operator = { kind: 'operator', name: 'admin' } as const

/** What the admin listener shows and does; its metrics show readiness from here on. */
export function adminService(parts: AdminServiceParts): AdminService {
  const { options, log, switchboard, grants, meters, detector, carried } = parts
  const seen = { log, detector, ...(carried && { carried }) }
  const now = () => conditions({ ...seen, tickets: options.tickets, issuers: options.identity.issuers })
  meters.watch({ readiness: () => conditionLevels(now()) })
  return {
    problems: () => saidOf('unfit', now()),
    warnings: () => saidOf('warn', now()),
    metrics: () => meters.text(),
    switches: () => switchboard.list() as unknown as readonly Json[],
    engage: (order) => switchboard.engage(order, operator),
    release: (id, reason) => switchboard.release(id, reason, operator),
    grants,
  }
}
