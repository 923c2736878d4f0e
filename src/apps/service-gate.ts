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
  /** What goes through it, where that is not the agents' calls: stands behind each service's name. */
  readonly purpose?: string
}

/** A real timer. */
export const realSleep: Sleep = async (ms, signal) => wait(ms, undefined, { signal })

const levels: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 }

/** The gate before services, with its eyes open: a breaker that opens or closes is evidence, a line for operators and a gauge. */
export function serviceGate({ clock, log, meters, report, fault, purpose }: ServiceGateParts): OutgoingGate {
  const shown = (target: string): string => (purpose === undefined ? target : `${target} (${purpose})`)
  const gate = outgoingGate({
    clock,
    random: Math.random,
    sleep: realSleep,
    sight: {
      breaker(target, state, why) {
        const server = shown(target)
        report({ level: state === 'open' ? 'error' : 'info', breaker: state, server, why })
        log.append({ type: 'service.breaker', ext: { server, state, why } }).catch(fault)
      },
      refused: (target, why) => meters.heldBack(shown(target), why),
      waited: (target, ms) => meters.queued(shown(target), ms),
      retried: (target, allowed) => meters.retry(shown(target), allowed ? 'sent' : 'held_back'),
    },
  })
  return {
    ...gate,
    breakers: () => renamed(gate.breakers(), shown),
    waiting: () => renamed(gate.waiting(), shown),
  }
}

function renamed<T>(byTarget: Readonly<Record<string, T>>, shown: (target: string) => string) {
  return Object.fromEntries(Object.entries(byTarget).map(([target, value]) => [shown(target), value]))
}

/** Breakers as the metrics page shows them: 0 closed, 1 half open, 2 open. */
export function breakerLevels(gates: readonly OutgoingGate[]): Readonly<Record<string, number>> {
  const all = gates.flatMap((gate) => Object.entries(gate.breakers()))
  return Object.fromEntries(all.map(([server, state]) => [server, levels[state]]))
}

/** Calls that wait for a place, as the metrics page shows them. */
export function queueLengths(gates: readonly OutgoingGate[]): Readonly<Record<string, number>> {
  return Object.fromEntries(gates.flatMap((gate) => Object.entries(gate.waiting())))
}
