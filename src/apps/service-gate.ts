import { setTimeout as wait } from 'node:timers/promises'
import { outgoingGate, type OutgoingGate, type Sleep } from '../adapters/outgoing-gate.ts'
import type { BreakerState } from '../limits/breaker.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Meters } from '../telemetry/metrics.ts'

export interface ServiceGateParts {
  readonly clock: Clock
  readonly log: EvidenceLog
  readonly meters: Meters
  /** Where operators read one JSON line. */
  readonly report: (line: JsonObject) => void
  readonly fault: (error: unknown) => void
}

/** A real timer. */
export const realSleep: Sleep = async (ms, signal) => wait(ms, undefined, { signal })

const levels: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 }

/** The gate before services, with its eyes open: a breaker that opens or closes is evidence, a line for operators and a gauge. */
export function serviceGate({ clock, log, meters, report, fault }: ServiceGateParts): OutgoingGate {
  return outgoingGate({
    clock,
    random: Math.random,
    sleep: realSleep,
    sight: {
      breaker(server, state, why) {
        report({ level: state === 'open' ? 'error' : 'info', breaker: state, server, why })
        log.append({ type: 'service.breaker', ext: { server, state, why } }).catch(fault)
      },
      refused: (server, why) => meters.heldBack(server, why),
      waited: (server, ms) => meters.queued(server, ms),
      retried: (server, allowed) => meters.retry(server, allowed ? 'sent' : 'held_back'),
    },
  })
}

/** Breakers as the metrics page shows them: 0 closed, 1 half open, 2 open. */
export function breakerLevels(gate: OutgoingGate): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(gate.breakers()).map(([server, state]) => [server, levels[state]]))
}
