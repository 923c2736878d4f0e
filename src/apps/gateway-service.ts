import { provenance } from '../detection/provenance.ts'
import { grantWatch } from '../identity/grant-watch.ts'
import type { Principal } from '../identity/principal.ts'
import { proofPace } from '../identity/proof-pace.ts'
import { steadyTime } from '../identity/steady.ts'
import { ticketsOf } from '../identity/ticket.ts'
import type { CeilingsOf } from '../limits/ceilings.ts'
import { limiter } from '../limits/limiter.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { GatewayService } from '../server/mcp.ts'
import { stopped } from '../control/stopped.ts'
import { digests } from './digests.ts'
import { enforcedEntry, grantEntry, ticketEntry } from './entries.ts'
import type { GatewayOptions } from './options.ts'
import { runtime, type Lasting, type Runtime } from './runtime.ts'
import type { Switchboard } from './switchboard.ts'

export interface GatewayServiceParts extends Omit<
  Lasting,
  'time' | 'digests' | 'limiter' | 'provenance' | 'watch' | 'enforced' | 'pace'
> {
  /** What the first runtime is built from. */
  readonly options: GatewayOptions
  readonly fault: (error: unknown) => void
}

/** What the transports call, and the one pointer to the runtime in force. */
export interface SwappableService extends GatewayService {
  /** The configuration in force. */
  options(): GatewayOptions
  /** Builds a runtime for other options. Throws when it cannot be built; nothing in force changes. */
  build(options: GatewayOptions): Runtime
  /** Puts a runtime in force. Calls that have begun keep the one they began with. */
  swap(next: Runtime): void
}

/** Identification, governed calls, and the tools a principal may see: each by the runtime in force when it is asked. */
export function gatewayService(parts: GatewayServiceParts): SwappableService {
  const { clock, keys, log, state, switchboard, fault } = parts
  const keyed = digests(keys, clock)
  const time = steadyTime(clock)
  const lasting: Lasting = {
    ...parts,
    time,
    digests: keyed,
    limiter: limiter({ clock, state, configured: none, lowered: loweredBy(switchboard), miscount: fault }),
    provenance: provenance({ sessionsMax: 10_000, hash: keyed.lasting }),
    watch: grantWatch({
      state,
      // Who shares a state must not forget for the others what only a clock that was put forward calls old.
      clock: { ...clock, nowMs: time.earliestMs },
      grantsMax: 100_000,
      report: (...grant) => reportGrant(parts, now.options, ...grant),
    }),
    enforced: firstEnforcement(log, fault),
    pace: proofPace(clock),
  }
  let now = runtime(lasting, parts.options)
  return {
    options: () => now.options,
    build: (options) => runtime(lasting, options),
    swap(next) {
      now = next
      parts.grants.prepare(next.options.elevations).catch(fault)
    },
    identify: (caller) => now.identify(caller),
    prove: (caller) => now.prove(caller),
    stopped: (who) => stopped(switchboard.forbids, who),
    call: (request) => now.call(request),
    tools: (who) => now.tools(who),
    unrecorded: (code) => parts.meters.authFailure(`${code} unrecorded`),
  }
}

const none: CeilingsOf = () => undefined

/** The change that allows a grant is written down before the grant: who judges them reads in this order. */
async function reportGrant(
  { clock, log }: Pick<Lasting, 'clock' | 'log'>,
  { tickets, catalog }: GatewayOptions,
  who: Principal,
  scopes: readonly string[],
  traceId: string,
): Promise<void> {
  for (const ticket of await ticketsOf(tickets, who, clock.nowMs())) {
    await log.append({ ...ticketEntry(who, ticket), traceId })
  }
  await log.append({ ...grantEntry(who, scopes, catalog.list), traceId })
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
